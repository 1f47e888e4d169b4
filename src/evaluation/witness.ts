/**
 * The second engine of a certificate, called witness: ONNX Runtime if it is installed, or else Espalier's other engine,
 * or else the same engine, which then reads the exported file.
 */

import { type EngineName, engineNames } from "../engine/create.ts";
import { EngineHost } from "../engine/host.ts";
import { oneDnnIsAbsent } from "../engine/onednn/ffi/locate.ts";
import { loadOnnx } from "../formats/onnx/index.ts";
import { cost } from "../graph/cost.ts";
import type { Network } from "../graph/graph.ts";
import { type Classifier, engineClassifier } from "./classifier.ts";
import { type Activations, type Example, engineActivations, runtimeActivations } from "./first-divergence.ts";
import { hasOnnxRuntime, onnxRuntimeVersion } from "./runtime-library.ts";
import { runtimeClassifierOf } from "./runtime-logits.ts";

export interface Witness {
  /** Name in words: "ONNX Runtime", "the reference engine". */
  readonly name: string;
  /** Version of ONNX Runtime, if it is used. */
  readonly version?: string;
  /** Largest number of images to compute; default: all. */
  readonly images?: number;
  /** A classifier of the compact network's file. */
  classifier(batch: number): Promise<Classifier>;
  /** All activations of `network`, which was read from the file, for one image. */
  activations(network: Network, example: Example): Promise<Activations>;
  dispose(): Promise<void>;
}

export interface WitnessOptions {
  readonly compact: Network;
  readonly compactFile: string;
  /** Name of the engine that trained the network. */
  readonly engine: string;
  /** Whether to use ONNX Runtime; default: if it is installed. */
  readonly runtime?: boolean;
}

/** Largest number of multiply-accumulates for the reference engine: about half a minute. */
const referenceMacs = 4e9;

/** Throws `UserError("engine-missing")` if ONNX Runtime is requested and not installed. */
export async function findWitness(options: WitnessOptions): Promise<Witness> {
  const { runtime = hasOnnxRuntime() } = options;
  return runtime ? runtimeWitness(options) : engineWitness(options);
}

function runtimeWitness({ compact, compactFile }: WitnessOptions): Witness {
  return {
    name: "ONNX Runtime",
    version: onnxRuntimeVersion(),
    classifier: (batch) => runtimeClassifierOf(compactFile, compact.graph, batch),
    activations: runtimeActivations,
    dispose: async () => {},
  };
}

async function engineWitness({ compact, compactFile, engine: beside }: WitnessOptions): Promise<Witness> {
  const engine = otherEngine(beside);
  const host = await EngineHost.start({ engine });
  const affordable = Math.max(1, Math.floor(referenceMacs / Math.max(1, cost(compact.graph).macs)));
  return {
    name: engine === beside ? `the ${engine} engine again` : `the ${engine} engine`,
    ...(engine === "reference" ? { images: affordable } : {}),
    classifier: async (batch) => engineClassifier(host, await loadOnnx(compactFile), batch),
    activations: (network, example) => engineActivations(host, network, example),
    dispose: () => host.dispose(),
  };
}

function otherEngine(engine: string): EngineName {
  return engineNames.find((name) => name !== engine && !(name === "onednn" && oneDnnIsAbsent())) ?? "reference";
}

/**
 * What a certificate asks beside the engine that trained, so that no engine vouches for itself: ONNX Runtime where it
 * is installed, else the other engine of ours, else the same engine on the file as it was written.
 */

import type { Tensor } from "../core/tensor.ts";
import { type EngineName, engineNames } from "../engine/create.ts";
import { EngineHost } from "../engine/host.ts";
import { oneDnnIsAbsent } from "../engine/onednn/ffi/locate.ts";
import { loadOnnx } from "../formats/onnx/index.ts";
import { cost } from "../graph/cost.ts";
import { type Network, takesChannelsLast } from "../graph/graph.ts";
import { type Classifier, engineClassifier } from "./classifier.ts";
import { type Activations, engineActivations, runtimeActivations } from "./first-divergence.ts";
import { hasOnnxRuntime, onnxRuntimeVersion } from "./runtime-library.ts";
import { runtimeClassifier } from "./runtime-thread.ts";

export interface Witness {
  /** In words: "ONNX Runtime", "the reference engine". */
  readonly name: string;
  /** Of ONNX Runtime, if it is that. */
  readonly version?: string;
  /** How many images it is asked at most; all where it does not say. */
  readonly images?: number;
  /** The compact network's file, ready to be asked. */
  classifier(batch: number): Promise<Classifier>;
  /** All activations of `network`, read from the file, for one image. */
  activations(network: Network, image: Tensor): Promise<Activations>;
  dispose(): Promise<void>;
}

export interface WitnessOptions {
  readonly compact: Network;
  readonly compactFile: string;
  /** Name of the engine that the witness stands beside. */
  readonly engine: string;
  /** Whether ONNX Runtime is asked; default: where it is installed. */
  readonly runtime?: boolean;
}

/** Multiply-accumulates that the reference engine is asked for: about half a minute's. */
const referenceMacs = 4e9;

/** Throws `UserError("engine-missing")` where ONNX Runtime is asked for and not there. */
export async function findWitness(options: WitnessOptions): Promise<Witness> {
  const { runtime = hasOnnxRuntime() } = options;
  return runtime ? runtimeWitness(options) : engineWitness(options);
}

function runtimeWitness({ compact, compactFile }: WitnessOptions): Witness {
  return {
    name: "ONNX Runtime",
    version: onnxRuntimeVersion(),
    classifier: (batch) => runtimeClassifier(compactFile, batch, { channelsLast: takesChannelsLast(compact.graph) }),
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
    activations: (network, image) => engineActivations(host, network, image),
    dispose: () => host.dispose(),
  };
}

function otherEngine(engine: string): EngineName {
  return engineNames.find((name) => name !== engine && !(name === "onednn" && oneDnnIsAbsent())) ?? "reference";
}

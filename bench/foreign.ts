/**
 * `npm run bench:foreign [-- --only resnet18]`: checks torchvision's networks as PyTorch exports them. Each network is
 * read and compared with ONNX Runtime on the same file. It is trained for a step and loses random structures of every
 * kind, which must not change its answers. The written file is checked by ONNX's checker and ONNX Runtime. Needs Python
 * with torch, torchvision and onnx (`ESPALIER_PYTHON`); without them it prints a message and does nothing.
 */
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { z } from "zod";
import { trainingGraph } from "../src/autodiff/training-graph.ts";
import { kernelCacheFolder } from "../src/core/cache-folder.ts";
import { required } from "../src/core/errors.ts";
import { RandomStream } from "../src/core/random.ts";
import { type Tensor, tensor } from "../src/core/tensor.ts";
import { EngineHost } from "../src/engine/host.ts";
import { openRuntime } from "../src/evaluation/onnx-runtime.ts";
import { randomStep, type TrainingStep } from "../src/evaluation/step-time.ts";
import { loadOnnx, saveOnnx } from "../src/formats/onnx/index.ts";
import { cost } from "../src/graph/cost.ts";
import type { Graph, Network } from "../src/graph/graph.ts";
import { bindBatch, inferShapes } from "../src/graph/shapes.ts";
import { initialize } from "../src/models/initialize.ts";
import { compact } from "../src/pruning/compact.ts";
import { keptFactors, selectionKeys } from "../src/selection/factors.ts";
import { fold } from "../src/selection/fold.ts";
import { type Placement, place, structureKinds } from "../src/selection/place.ts";
import { outputOptions, print } from "./shared/output.ts";
import { PeerError, peerPath, python, requireTorch, unlessPeerFails } from "./shared/peer.ts";
import { inTemporaryFolder } from "./shared/temporary.ts";

const names = [
  ...["resnet18", "resnet50", "resnext50_32x4d", "vgg16_bn", "mobilenet_v2", "mobilenet_v3_small", "densenet121"],
  ...["squeezenet1_1", "googlenet", "efficientnet_b0", "shufflenet_v2_x0_5", "regnet_y_400mf", "mnasnet0_5"],
  ...["convnext_tiny", "efficientnet_v2_s", "inception_v3", "swin_t", "vit_b_16"],
  ...["fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"],
];
const { values } = parseArgs({ options: { ...outputOptions, only: { type: "string" } } });

/** Largest allowed difference between two runtimes, or before and after pruning, relative to the largest output. */
const TOLERANCE = 1e-4;
const BATCH = 2;
/** Share of the structures of each kind that are pruned. */
const SHARE = 0.3;

const fileSchema = z.object({ name: z.string(), exporter: z.string(), path: z.string(), versions: z.string() });
type File = z.infer<typeof fileSchema>;

interface Outcome {
  readonly file: File;
  /** Relative difference to ONNX Runtime on the original file. */
  readonly read: number;
  readonly loss: number;
  /** Share of the MACs that are left after pruning. */
  readonly left: number;
  /** Relative differences of the pruned network, and of its written file in ONNX Runtime. */
  readonly cut: number;
  readonly written: number;
}

async function exported(folder: string, wanted: readonly string[]): Promise<readonly File[]> {
  const { stdout, failed } = await execa(python, [peerPath("foreign.py"), "export", folder, ...wanted], {
    reject: false,
    stderr: "inherit",
  });
  if (failed) throw new PeerError(`${python} could not export torchvision's networks; its own message is above`);
  return stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => fileSchema.parse(JSON.parse(line)));
}

/** The largest difference, relative to the largest of `expected`. */
function apart(expected: Tensor, found: Tensor): number {
  let [difference, range] = [0, 0];
  for (const [index, value] of expected.data.entries()) {
    difference = Math.max(difference, Math.abs(value - (found.data[index] ?? Number.NaN)));
    range = Math.max(range, Math.abs(value));
  }
  return difference / range;
}

async function answers(host: EngineHost, network: Network, images: Tensor): Promise<Tensor> {
  const graph = fold(network.graph);
  const plan = await host.prepare(graph, { batch: BATCH });
  try {
    await plan.write(network.weights);
    const results = await plan.run({ [required(graph.inputs[0], "an input").name]: images });
    return required(results[graph.outputs[0] ?? ""], "an output");
  } finally {
    await plan.dispose();
  }
}

async function answersOfFile(path: string, images: Tensor): Promise<Tensor> {
  const session = await openRuntime(path, path);
  try {
    return required((await session.run(images)).get(session.outputs[0] ?? ""), "an output");
  } finally {
    await session.dispose();
  }
}

/**
 * A step with the cross-entropy of a classifier's logits. A network with maps learns to give zeros: its loss is the
 * mean of their squares.
 */
function stepOf(network: Network, factors: Placement["factors"]): TrainingStep {
  const { graph, weights } = network;
  const [output = ""] = graph.outputs;
  const [, ...dims] = required(inferShapes(graph, 1).get(output), "the output's shape");
  if (dims.length === 1) return randomStep({ network, factors }, BATCH);
  const step = trainingGraph(fold(graph), {
    batch: BATCH,
    sgd: { momentum: 0.9, weightDecay: 5e-4 },
    factors: { momentum: 0.9, ...keptFactors(factors) },
    loss: { taught: [{ kind: "values", weight: 1, variance: 1 }] },
  });
  const random = new RandomStream(1, "images of a step");
  const feeds = step.inputs.map(({ name, shape }) => {
    const value = tensor(shape.map((size) => (size === "N" ? BATCH : size)));
    const isImages = name === graph.inputs[0]?.name;
    for (let index = 0; isImages && index < value.data.length; index++) value.data[index] = random.normal();
    return [name, value] as const;
  });
  return { graph: step, weights: new Map([...zeroStates(step), ...weights]), feeds: Object.fromEntries(feeds) };
}

/** What optimizers start with. */
function zeroStates({ parameters }: Graph): readonly (readonly [name: string, value: Tensor])[] {
  return parameters.flatMap(({ name, shape, of }) => (of === undefined ? [] : [[name, tensor(shape)] as const]));
}

/** Loss of one training step with factors on all structures. */
async function lossOfStep(host: EngineHost, network: Network, { factors }: Placement): Promise<number> {
  const { graph, weights, feeds } = stepOf(network, factors);
  const plan = await host.prepare(graph, { batch: BATCH });
  try {
    await plan.write(weights);
    return required((await plan.run(feeds))["loss"], "the loss").data[0] ?? Number.NaN;
  } finally {
    await plan.dispose();
  }
}

/** `network` with each structure at zero with probability `SHARE`. */
function withZeros(network: Network, { factors }: Placement): Network {
  const random = new RandomStream(1, "zeros");
  const zeros = factors.map(({ parameter, count }) => {
    const values = Float32Array.from({ length: count }, () => (random.uniform() < SHARE ? 0 : 1));
    return [parameter, tensor([count], values)] as const;
  });
  return { graph: network.graph, weights: new Map([...network.weights, ...zeros]) };
}

async function follow(host: EngineHost, file: File): Promise<Outcome> {
  const plain = await loadOnnx(file.path);
  const random = new RandomStream(1, "images");
  const images = tensor(bindBatch(required(plain.graph.inputs[0], "an input").shape, BATCH));
  for (let index = 0; index < images.data.length; index++) images.data[index] = random.normal();
  const read = apart(await answersOfFile(file.path, images), await answers(host, plain, images));

  const kinds = structureKinds(plain.graph);
  const placement = place(plain.graph, Object.fromEntries(kinds.map((kind) => [selectionKeys[kind], 0.01])));
  const weights = new Map([...initialize(placement.graph, 1), ...plain.weights]);
  const network = withZeros({ graph: placement.graph, weights }, placement);
  const loss = await lossOfStep(host, { graph: placement.graph, weights }, placement);

  const { network: small } = compact(network);
  const expected = await answers(host, network, images);
  const path = join(dirname(file.path), `${file.name}-${file.exporter}-cut.onnx`);
  await saveOnnx(small, path);
  return {
    ...{ file, read, loss },
    left: cost(small.graph).macs / cost(plain.graph).macs,
    cut: apart(expected, await answers(host, small, images)),
    written: apart(expected, await answersOfFile(path, images)),
  };
}

function isSound({ read, loss, cut, written }: Outcome): boolean {
  return [read, cut, written].every((difference) => difference <= TOLERANCE) && Number.isFinite(loss);
}

async function run(folder: string): Promise<void> {
  await requireTorch();
  const files = await exported(
    folder,
    names.filter((name) => values.only === undefined || name.includes(values.only)),
  );
  const host = await EngineHost.start({ engine: "onednn", cacheFolder: kernelCacheFolder() });
  const outcomes: Outcome[] = [];
  try {
    for (const file of files) {
      outcomes.push(await follow(host, file));
      console.error(`${file.name} (${file.exporter}): ${isSound(outcomes.at(-1) as Outcome) ? "✓" : "✗"}`);
    }
  } finally {
    await host.dispose();
  }
  const written = outcomes.flatMap(({ file: { name, exporter } }) => join(folder, `${name}-${exporter}-cut.onnx`));
  const checked = await execa(python, [peerPath("foreign.py"), "check", ...written], {
    reject: false,
    stderr: "inherit",
  });
  const LARGE = 1e4;
  const scientific = (value: number): string => value.toExponential(1);
  print(
    {
      conditions: [files[0]?.versions ?? "", `batch ${BATCH}, ${SHARE * 100} % of all structures cut at random`],
      sections: [
        {
          title: "Networks of torchvision",
          head: ["network", "exporter", "read", "loss of a step", "MACs left", "cut", "written"],
          rows: outcomes.map(({ file, read, loss, left, cut, written: again }) => [
            ...[
              file.name,
              file.exporter,
              scientific(read),
              loss < LARGE ? loss.toFixed(3) : scientific(loss),
              `${(left * 100).toFixed(1)} %`,
            ],
            ...[scientific(cut), scientific(again)],
          ]),
          notes: [
            "Differences are relative to the largest output: to ONNX Runtime with the file, of the cut network, of " +
              "its file in ONNX Runtime.",
            checked.failed ? "ONNX's checker refuses a written file." : "ONNX's checker takes all that was written.",
          ],
        },
      ],
      data: { outcomes },
    },
    values,
  );
  if (checked.failed || !outcomes.every(isSound)) process.exitCode = 1;
}

await inTemporaryFolder((folder) => unlessPeerFails("torchvision's networks", () => run(folder)));

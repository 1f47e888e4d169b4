/**
 * Small files of the kinds that people have, made by a script with random weights. The table says of each whether half
 * of it can be pruned, or why not. Whatever is read is compared with ONNX Runtime: as it is, and after random cuts.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { InferenceSession } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.ts";
import { tensor } from "../../src/core/tensor.ts";
import { loadSession } from "../../src/evaluation/onnx-runtime.ts";
import { onnxRuntime } from "../../src/evaluation/runtime-library.ts";
import { withoutCarried } from "../../src/formats/onnx/carried/network-file.ts";
import { loadForTraining } from "../../src/formats/onnx/index.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import { type Network, takesChannelsLast } from "../../src/graph/graph.ts";
import { bindBatch } from "../../src/graph/shapes.ts";
import { compact } from "../../src/pruning/compact.ts";
import { parseBudget } from "../../src/selection/budget.ts";
import { factorsOf } from "../../src/selection/factors.ts";
import { bake } from "../../src/selection/fold.ts";
import { requireReachable } from "../../src/training/gamma/reachable-budget.ts";
import { parseSettings } from "../../src/training/settings/settings.ts";
import { convolutionsWithMergedNorms } from "../../src/training/start/batch-norms/merged-norms.ts";
import { dividedForBudget } from "../../src/training/start/divided-groups.ts";
import { withFactors } from "../../src/training/start/starting-network.ts";
import { normal } from "../engine/random-data.ts";

async function read(file: string, size: Expected["size"]): Promise<Network> {
  return (await loadForTraining(file, size === undefined ? {} : { size })).network;
}

/** `network` with about half of its factors at zero. */
function halved({ graph, weights }: Network, seed: number): Network {
  const random = new RandomStream(seed, "zeros");
  const zeros = factorsOf(graph).map(({ parameter, count }) => {
    const values = Float32Array.from({ length: count }, () => random.integer(2));
    return [parameter, tensor([count], values)] as const;
  });
  return { graph, weights: new Map([...weights, ...zeros]) };
}

interface Expected {
  /** The kinds of structures that half of the network is pruned by. */
  readonly kinds?: string;
  /** Why half of it cannot be pruned. */
  readonly refused?: RegExp;
  /** Height and width, where the file leaves them open; without them it is refused. */
  readonly size?: readonly [number, number];
  /** Whether ONNX Runtime refuses the file, for what stands behind the network. */
  readonly isInvalid?: true;
  /** Batch norms that are put back. */
  readonly restored?: number;
  /** How far the answers of the file may be from those that are read, as a share of the largest. */
  readonly tolerance?: number;
}

const table: Readonly<Record<string, Expected>> = {
  "binary-sigmoid": { kinds: "neuron" },
  cbam: { kinds: "neuron" },
  // ONNX Runtime refuses the file itself, which says that its map of probabilities is a tensor.
  "custom-vision": { kinds: "stream, block", isInvalid: true },
  "dynamic-size": { kinds: "stream, block", size: [32, 32] },
  eca: { kinds: "neuron" },
  elu: { kinds: "neuron" },
  gelu: { kinds: "neuron" },
  "group-norm": { kinds: "neuron, group" },
  "instance-norm": { kinds: "neuron" },
  // Its integers are trained as floats, which do not round.
  "int8-qdq": { kinds: "stream, block", tolerance: 0.1 },
  lrn: { kinds: "neuron" },
  mixconv: { kinds: "stream, block" },
  "normalised-inside": { kinds: "neuron" },
  "prelu-per-channel": { kinds: "neuron" },
  repvgg: { kinds: "stream, block" },
  "residual-then-depthwise": { kinds: "stream, block" },
  "shared-conv-two-bns": { kinds: "stream" },
  "shufflenet-v2": { kinds: "neuron" },
  "sum-of-two": { kinds: "stream, block" },
  // A convolution and a linear layer, and both are outputs.
  "two-outputs": { refused: /no structures that can be pruned/ },
  "unet-conv-transpose": { kinds: "neuron" },
  "uneven-groups": { kinds: "group, neuron" },
  "yolov8-cls-c2f": { kinds: "neuron, block" },
  "yolov8-cls-c2f-folded": { kinds: "neuron, block", restored: 8 },
};

const fixtures = fileURLToPath(new URL("fixtures/", import.meta.url));
const beside = fileURLToPath(new URL("../../../shared/data/networks/", import.meta.url));
const settings = parseSettings({ epochs: 1, budget: parseBudget("50%") });

function namesIn(folder: string): readonly string[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(".onnx"));
  return files.map((name) => name.slice(0, -".onnx".length)).toSorted();
}

test("all files are in the table", () => {
  expect(namesIn(fixtures)).toEqual(Object.keys(table).toSorted());
  if (existsSync(beside)) expect(namesIn(beside)).toEqual(namesIn(fixtures));
});

type Answers = ReadonlyMap<string, readonly unknown[]>;

/** All outputs of a file in ONNX Runtime, for two images. */
async function answersOf(bytes: Uint8Array, { graph }: Network, size: Expected["size"]): Promise<Answers> {
  const session = await loadSession(bytes, "a file of the test");
  const [input] = graph.inputs;
  if (input === undefined || takesChannelsLast(graph)) throw new Error("images have their channels first here");
  const dims = bindBatch(input.shape, 2).map((extent, axis) => size?.[axis - 2] ?? extent);
  const { data } = normal(dims, 6, "images");
  const feeds: InferenceSession.FeedsType = { [input.name]: new (onnxRuntime().Tensor)("float32", data, dims) };
  const results = await session.run(feeds);
  await session.release();
  return new Map(
    Object.entries(results).map(([name, value]) => [name, Array.from(Object(value).data as Iterable<unknown>)]),
  );
}

/** Numbers within `tolerance` of the largest; labels, and maps of probabilities, as they are without a tolerance. */
function expectSame(found: Answers, expected: Answers, tolerance: number): void {
  expect([...found.keys()]).toEqual([...expected.keys()]);
  for (const [name, values] of expected) {
    const own = found.get(name) ?? [];
    expect(own).toHaveLength(values.length);
    const numbers = values.filter((value) => typeof value === "number");
    const largest = Math.max(...numbers.map(Math.abs));
    for (const [index, value] of values.entries()) {
      if (typeof value !== "number") continue;
      expect(Math.abs(Number(own[index]) - value) / largest).toBeLessThanOrEqual(tolerance);
    }
  }
}

describe.each(Object.entries(table))(
  "%s",
  (name, { kinds, refused, size, isInvalid, restored = 0, tolerance = 1e-4 }) => {
    const file = `${fixtures}${name}.onnx`;

    if (size !== undefined) {
      test("is refused without a size, with what to do", async () => {
        await expect(read(file, undefined)).rejects.toThrow(/--size/);
      });
    }

    test(refused === undefined ? "can be pruned to half of its cost" : "is refused before training", async () => {
      const { network } = dividedForBudget(await read(file, size), settings);
      expect(convolutionsWithMergedNorms(network.graph)).toHaveLength(restored);
      const start = withFactors(network, settings);
      if (refused !== undefined) {
        expect(() => requireReachable(settings, start)).toThrow(refused);
        return;
      }
      requireReachable(settings, start);
      expect([...new Set(start.factors.map(({ kind }) => kind))].join(", ")).toBe(kinds);
    });

    test("gives the answers of the file, and keeps them in all cuts", async () => {
      const found = await read(file, size);
      const network = isInvalid === true ? { ...found, graph: withoutCarried(found.graph) } : found;
      const written = await answersOf(writeOnnx(network), network, undefined);
      const given = isInvalid === true ? written : await answersOf(readFileSync(file), network, size);
      expectSame(written, given, tolerance);
      const { network: divided } = dividedForBudget(network, settings);
      expectSame(await answersOf(writeOnnx(divided), network, undefined), given, tolerance);
      const { network: start } = withFactors(divided, settings);
      for (const seed of [1, 2, 3]) {
        const zeroed = halved(start, seed);
        const whole = await answersOf(writeOnnx(bake(zeroed)), network, undefined);
        expectSame(await answersOf(writeOnnx(compact(zeroed).network), network, undefined), whole, 1e-5);
      }
    });
  },
);

/** Networks that learn to give their own original outputs: the loss, the agreement, and whole runs without labels. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it, test } from "vitest";
import { trainingGraph } from "../../src/autodiff/training-graph.ts";
import { RandomStream } from "../../src/core/random.ts";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { AgreementSums, meanAgreement } from "../../src/evaluation/agreement.ts";
import { compareOutputs } from "../../src/evaluation/compare-outputs.ts";
import { openRuntime } from "../../src/evaluation/onnx-runtime.ts";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import type { TaughtTerm } from "../../src/graph/ops.ts";
import { graphOutputs, withoutLastSoftmax } from "../../src/graph/taught-outputs.ts";
import { initialize } from "../../src/models/initialize.ts";
import { resume } from "../../src/training/resume.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyShape } from "./tiny.ts";

/** Classes and a map from one stem: two heads, of which the map is also read inside. */
function twoHeads(shape: readonly [number, number, number] = tinyShape): Graph {
  const builder = new GraphBuilder("two-heads");
  const images = builder.input("images", ["N", ...shape]);
  const convolution = (name: string, src: string, channels: number): string =>
    builder.convolution(name, src, { channels, kernel: 3, padding: 1, bias: true });
  const stem = builder.relu("stem.relu", convolution("stem", images, 12));
  const body = builder.relu("body.relu", convolution("body", stem, 12));
  const map = convolution("map", body, 2);
  const pooled = builder.flatten("flat", builder.globalAveragePooling("pool", builder.relu("map.relu", map)));
  builder.output(map);
  builder.output(builder.linear("logits", pooled, 3));
  return builder.build();
}

function normal(shape: readonly number[], seed: number, scale = 1): Tensor {
  const random = new RandomStream(seed, "values");
  return tensor(
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => scale * random.normal()),
  );
}

describe("the loss", () => {
  const terms: readonly TaughtTerm[] = [
    { kind: "logits", weight: 0.5, temperature: 2 },
    { kind: "values", weight: 3, variance: 1.7 },
  ];
  const shapes = [
    [2, 3, 2],
    [2, 4],
  ] as const;
  const own = shapes.map((shape, index) => normal(shape, index + 1));
  const taught = shapes.map((shape, index) => normal(shape, index + 7));

  function run(outputs: readonly Tensor[]): Readonly<Record<string, Tensor>> {
    const names = ["a", "b"];
    const inputs = [...names, "ta", "tb"].map((name, index) => ({
      ...{ name, dtype: "f32" as const },
      shape: ["N" as const, ...(shapes[index % 2]?.slice(1) ?? [])],
    }));
    const node = {
      ...{ op: "taught_loss" as const, name: "loss", inputs: ["a", "b", "ta", "tb"] },
      ...{ outputs: ["loss", "da", "db", "agreeing"], attributes: { outputs: terms } },
    };
    const graph: Graph = { name: "loss", inputs, parameters: [], nodes: [node], outputs: node.outputs, updates: [] };
    const plan = createReferenceEngine().prepare(graph, { batch: 2 });
    const [a, b] = outputs;
    const [ta, tb] = taught;
    if (a === undefined || b === undefined || ta === undefined || tb === undefined) throw new Error("no feeds");
    return Object.fromEntries(
      Object.entries(plan.run({ a, b, ta, tb })).map(([name, { shape, data }]) => [
        name,
        { dtype: "f32" as const, shape, data: Float32Array.from(data) },
      ]),
    );
  }

  /** Σ over classes and positions, from the formulas of Hinton et al. and of a relative square error. */
  function expected(): number {
    const [a, b] = own.map(({ data }) => [...data]);
    const [ta, tb] = taught.map(({ data }) => [...data]);
    const softmax = (values: readonly number[]): readonly number[] => {
      const powers = values.map((value) => Math.exp(value / 2));
      const sum = powers.reduce((x, y) => x + y, 0);
      return powers.map((power) => power / sum);
    };
    let divergence = 0;
    for (let row = 0; row < 2; row++) {
      for (let position = 0; position < 2; position++) {
        const of = (values: readonly number[] = []): readonly number[] =>
          softmax([0, 1, 2].map((channel) => values[row * 6 + channel * 2 + position] ?? 0));
        const [p, t] = [of(a), of(ta)];
        divergence += t.reduce((sum, target, channel) => sum + target * Math.log(target / (p[channel] ?? 1)), 0);
      }
    }
    const squares = (b ?? []).reduce((sum, value, index) => sum + (value - (tb?.[index] ?? 0)) ** 2, 0);
    return (0.5 * 4 * divergence) / 4 + (3 * squares) / 8 / 1.7;
  }

  it("is the divergence of logits and the relative square error of values", () => {
    expect(run(own)["loss"]?.data[0]).toBeCloseTo(expected(), 4);
  });

  it("has gradients that finite differences confirm", () => {
    const results = run(own);
    for (const [index, gradient] of ["da", "db"].entries()) {
      for (const at of [0, 3, 5]) {
        const moved = (by: number): number => {
          const changed = own.map(({ shape, data }) => tensor(shape, Float32Array.from(data)));
          const values = changed[index]?.data ?? new Float32Array();
          values[at] = (values[at] ?? 0) + by;
          return run(changed)["loss"]?.data[0] ?? 0;
        };
        const slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        expect(results[gradient]?.data[at]).toBeCloseTo(slope, 2);
      }
    }
  });

  it("is zero, and everything agrees, where the outputs are the teacher's", () => {
    const results = run(taught);
    expect(results["loss"]?.data[0]).toBeCloseTo(0, 6);
    expect(results["agreeing"]?.data[0]).toBe(2);
  });

  it("sums the gradients of an output that is read inside too", () => {
    const graph = trainingGraph(twoHeads(), {
      ...{ batch: 2, sgd: { momentum: 0, weightDecay: 0 }, factors: { momentum: 0, keepLast: new Set() } },
      loss: { taught: [{ kind: "values", weight: 1, variance: 1 }, ...terms.slice(0, 1)] },
    });
    expect(graph.inputs.map(({ name }) => name)).toContain("logits.taught");
    expect(graph.nodes.some(({ op, name }) => op === "add" && name.endsWith(".diff"))).toBe(true);
  });
});

describe("the loss of channels", () => {
  const variances = [0.5, 4];
  const [own, taught] = [normal([2, 2, 3], 11), normal([2, 2, 3], 12)];

  function run(values: Tensor, hasChannelsLast: boolean): Readonly<Record<string, Tensor>> {
    const shape = hasChannelsLast ? ([2, 3, 2] as const) : ([2, 2, 3] as const);
    const inputs = ["y", "t"].map((name) => ({
      name,
      dtype: "f32" as const,
      shape: ["N" as const, ...shape.slice(1)],
    }));
    const term: TaughtTerm = {
      kind: "channels",
      weight: 3,
      variances,
      ...(hasChannelsLast ? { hasChannelsLast } : {}),
    };
    const node = {
      ...{ op: "taught_loss" as const, name: "loss", inputs: ["y", "t"] },
      ...{ outputs: ["loss", "dy", "agreeing"], attributes: { outputs: [term] } },
    };
    const graph: Graph = { name: "loss", inputs, parameters: [], nodes: [node], outputs: node.outputs, updates: [] };
    const plan = createReferenceEngine().prepare(graph, { batch: 2 });
    const given = { y: tensor(shape, values.data), t: tensor(shape, taught.data) };
    return Object.fromEntries(
      Object.entries(plan.run(given)).map(([name, found]) => [
        name,
        tensor(found.shape, Float32Array.from(found.data)),
      ]),
    );
  }

  it.each([false, true])("divides squares by the variance of their channel, last: %s", (hasChannelsLast) => {
    const channelOf = (index: number): number => (hasChannelsLast ? index % 2 : Math.floor((index % 6) / 3));
    const relative = own.data.reduce(
      (sum, value, index) => sum + (value - (taught.data[index] ?? 0)) ** 2 / (variances[channelOf(index)] ?? 1),
      0,
    );
    const results = run(own, hasChannelsLast);
    expect(results["loss"]?.data[0]).toBeCloseTo((3 * relative) / 12, 5);
    expect(results["agreeing"]?.data[0]).toBeCloseTo(Math.max(0, 2 - relative / 6), 5);
    for (const at of [0, 4, 11]) {
      const moved = (by: number): number => {
        const values = tensor(own.shape, Float32Array.from(own.data));
        values.data[at] = (values.data[at] ?? 0) + by;
        return run(values, hasChannelsLast)["loss"]?.data[0] ?? 0;
      };
      expect(results["dy"]?.data[at]).toBeCloseTo((moved(1e-2) - moved(-1e-2)) / 2e-2, 2);
    }
  });

  it("needs a variance for each channel", () => {
    variances.push(1);
    expect(() => run(own, false)).toThrow(/2 variances/);
    variances.pop();
  });
});

test("channels agree by the mean of what is explained of each, around the mean of each number", () => {
  const output = { name: "y", kind: "channels", columns: 4, channels: 2 } as const;
  const sums = new AgreementSums([output]);
  // Channel 0 in columns 0 and 1 with means 10 and 20, channel 1 in columns 2 and 3 with means 0.
  const taught = Float32Array.of(9, 21, 0.1, -0.1, 11, 19, -0.1, 0.1);
  const own = Float32Array.of(9, 20, 0.1, 0.1, 11, 20, -0.1, 0.1);
  sums.add(own, taught, 2);
  // Σ(t − mean)² of two images, unbiased: 2 · 4 = 8 and 2 · 0.04 = 0.08; errors 2 and 0.04.
  expect(sums.result().outputs[0]?.explained).toBeCloseTo((1 - 2 / 8 + (1 - 0.04 / 0.08)) / 2, 5);
  expect(sums.variancesOf(0)[0]).toBeCloseTo(2, 6);
  expect(sums.variancesOf(0)[1]).toBeCloseTo(0.02, 6);
  // The same numbers with their channels last.
  const turn = (values: Float32Array): Float32Array =>
    Float32Array.from(values, (_, at) => values[4 * Math.floor(at / 4) + ([0, 2, 1, 3][at % 4] ?? 0)] ?? 0);
  const last = new AgreementSums([{ ...output, hasChannelsLast: true }]);
  last.add(turn(own), turn(taught), 2);
  expect(last.result().outputs[0]?.explained).toBeCloseTo(sums.result().outputs[0]?.explained ?? 0, 6);
});

test.each(["values", "channels"] as const)(
  "a constant channel has no variance, however its numbers round: %s",
  (kind) => {
    const sums = new AgreementSums([{ name: "y", kind, columns: 2, channels: 2 }]);
    const constant = 100.1;
    for (let image = 0; image < 999; image++)
      sums.add(Float32Array.of(image % 3, constant), Float32Array.of(image % 3, constant + 1e-5), 1);
    const variances = sums.variancesOf(0);
    if (kind === "channels") expect(variances[1]).toBe(0);
    else expect(variances[0]).toBeCloseTo(1 / 3, 5);
    // The constant channel of other numbers would explain minus a lot.
    expect(sums.result().outputs[0]?.explained).toBeCloseTo(1, 4);
  },
);

test("agreement is explained variance, cosine, PSNR and equal answers", () => {
  const sums = new AgreementSums([
    { name: "y", kind: "logits", columns: 2, channels: 2 },
    { name: "z", kind: "values", columns: 1, channels: 1 },
  ]);
  // Rows of y and z: the first two classes agree, of which one is wrong.
  sums.add(Float32Array.of(1, 0, 2, 0, 1, 3), Float32Array.of(1, 0, 1, 2, 0, 5), 2);
  const { images, outputs } = sums.result();
  expect(images).toBe(2);
  const [y, z] = outputs;
  expect(y?.sameAnswers).toBe(50);
  expect(y?.explained).toBeCloseTo(1 - 5 / 0.5, 6);
  expect(y?.cosine).toBeCloseTo((1 + 0) / 2, 6);
  // z: t = 1, 5 with mean 3; errors 1 and 2.
  expect(z?.explained).toBeCloseTo(1 - 5 / 8, 6);
  expect(z?.psnr).toBeCloseTo(10 * Math.log10(16 / 2.5), 6);
  expect(meanAgreement({ images, outputs })).toBeCloseTo((50 + 37.5) / 2, 6);
});

test("parts of the images that several ranks measure agree as all images together do", () => {
  const outputs = [
    { name: "y", kind: "logits", columns: 2, channels: 2 },
    { name: "z", kind: "values", columns: 1, channels: 1 },
    { name: "w", kind: "channels", columns: 4, channels: 2 },
  ] as const;
  const [own, taught] = [normal([6, 7], 1), normal([6, 7], 2)];
  // The third rank has no images.
  const parts = [0, 2, 6].map((first, rank) => {
    const sums = new AgreementSums(outputs);
    const end = [2, 6, 6][rank] ?? 0;
    sums.add(own.data.subarray(7 * first, 7 * end), taught.data.subarray(7 * first, 7 * end), end - first);
    return sums;
  });
  const whole = new AgreementSums(outputs);
  whole.add(own.data, taught.data, 6);
  const numbers = whole.numbers.map((_, at) => parts.reduce((sum, part) => sum + (part.numbers[at] ?? 0), 0));
  const together = new AgreementSums(outputs).result(
    numbers,
    parts.map(({ ranges }) => ranges),
  );
  expect(together.images).toBe(6);
  for (const [index, output] of whole.result().outputs.entries()) {
    const { explained, cosine, psnr, sameAnswers } = together.outputs[index] ?? output;
    expect(explained).toBeCloseTo(output.explained ?? Number.NaN, 10);
    expect(cosine).toBeCloseTo(output.cosine, 10);
    expect(psnr).toBeCloseTo(output.psnr ?? Number.NaN, 10);
    expect(sameAnswers).toBe(output.sameAnswers);
  }
});

test("every output is compared against its own range", () => {
  const outputs = [
    { name: "large", kind: "values", columns: 1, channels: 1 },
    { name: "small", kind: "values", columns: 1, channels: 1 },
  ] as const;
  const [a, b] = [tensor([2, 2], Float32Array.of(0, 0, 1000, 1)), tensor([2, 2], Float32Array.of(0, 0.1, 1000, 1))];
  expect(compareOutputs(a, b, outputs).relativeDifference).toBeCloseTo(0.1, 6);
});

test("what an output is follows from the network, and can be said", () => {
  const graph = twoHeads();
  const kinds = (chosen = {}, classes?: number): readonly string[] =>
    graphOutputs(graph, chosen, classes).map(({ kind }) => kind);
  expect(kinds()).toEqual(["channels", "logits"]);
  expect(kinds({ logits: "values", map: "values" })).toEqual(["values", "values"]);
  const boxes = new GraphBuilder("boxes");
  const image = boxes.input("images", ["N", 5, 1, 12]);
  boxes.output(boxes.reshape("rows", image, [5, 12]));
  boxes.output(boxes.reshape("columns", image, [12, 5]));
  boxes.output(boxes.reshape("one", image, [1, 60]));
  expect(
    graphOutputs(boxes.build()).map(({ kind, channels, hasChannelsLast }) => [kind, channels, hasChannelsLast]),
  ).toEqual([
    ["channels", 5, undefined],
    ["channels", 5, true],
    ["values", 1, undefined],
  ]);
  const builder = new GraphBuilder("softmax");
  const flat = builder.flatten("flat", builder.input("images", ["N", 2, 3, 3]));
  builder.output(builder.softmax("end", builder.linear("dense", flat, 4)));
  expect(withoutLastSoftmax(builder.build()).outputs).toEqual(["dense"]);
});

const parent = temporaryFolder();
const file = join(parent, "two-heads.onnx");
const data = tinyDataset();
const options: TrainOptions = {
  ...{ data, engine: "reference", epochs: 20, batch: 8, latency: false, teach: "outputs" },
  ...{ budget: "60%", schedule: { kind: "cosine", peak: 0.02 } },
};

beforeAll(async () => {
  const graph = twoHeads();
  await saveOnnx({ graph, weights: initialize(graph, 6) }, file);
});

describe("a run that is taught the original's outputs", () => {
  it("agrees with it at the budget, certifies all outputs, and goes on where it was stopped", async () => {
    const folder = join(parent, "run");
    const { after, before, certificate } = await train(file, { ...options, folder });
    expect(certificate.passed).toBe(true);
    expect(after.macs / before.macs).toBeLessThan(0.65);
    expect(after.outputs?.map(({ name, kind }) => [name, kind])).toEqual([
      ["map", "channels"],
      ["logits", "logits"],
    ]);
    expect(after.outputs?.[0]?.explained).toBeGreaterThan(0.7);
    expect(after.accuracy).toBeGreaterThan(80);
    // The original, against ONNX Runtime's outputs of both files.
    const images = normal([8, ...tinyShape], 3);
    const outputsOf = async (path: string): Promise<Tensor | undefined> => {
      const session = await openRuntime(path, path);
      const results = await session.run(images);
      await session.dispose();
      return results.get("map");
    };
    const [theirs, ours] = [await outputsOf(file), await outputsOf(join(folder, "compact.onnx"))];
    expect(ours?.shape).toEqual(theirs?.shape);
    const events = await readEvents(folder);
    const epochs = events.filter(({ type }) => type === "epoch");
    expect(epochs.every((event) => event.type === "epoch" && event.outputs?.length === 2)).toBe(true);
    expect((await readRunRecord(folder)).taught?.every(({ variance }) => variance > 0)).toBe(true);

    const stopping = new AbortController();
    const stopped = train(file, {
      ...{ ...options, folder: join(parent, "stopped"), signal: stopping.signal },
      onEvent: (event) => {
        if (event.type === "epoch" && event.epoch === 3) stopping.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: "interrupted" });
    const resumed = await resume(join(parent, "stopped"), { data });
    const whole = await loadOnnx(join(folder, "network.onnx"));
    for (const [name, { data: values }] of whole.weights) {
      expect([...(resumed.network.weights.get(name)?.data ?? [])]).toEqual([...values]);
    }
  });

  it("takes a flat folder of pictures, which learning from labels refuses", async () => {
    const pictures = join(parent, "pictures");
    mkdirSync(pictures);
    const random = new RandomStream(9, "pictures");
    for (let index = 0; index < 40; index++) {
      const pixels = Buffer.from(Array.from({ length: 8 * 8 * 3 }, () => random.integer(256)));
      const raw = { width: 8, height: 8, channels: 3 } as const;
      writeFileSync(join(pictures, `${index}.png`), await sharp(pixels, { raw }).png().toBuffer());
    }
    const graph = twoHeads([3, 8, 8]);
    const path = join(parent, "colour.onnx");
    const normalization = JSON.stringify({ mean: [0.5, 0.5, 0.5], standardDeviation: [0.25, 0.25, 0.25] });
    await saveOnnx({ graph, weights: initialize(graph, 5) }, path, { metadata: { normalization } });
    const { budget: _, ...plain } = options;
    const chosen = { ...plain, data: pictures, epochs: 1, batch: 8 };
    const { after } = await train(path, { ...chosen, folder: join(parent, "flat") });
    expect(after.accuracy).toBeGreaterThan(90);
    const { metadata = [] } = (await loadOnnx(join(parent, "flat", "compact.onnx"))).graph.header ?? {};
    expect(metadata.map(([key]) => key)).not.toContain("classes");
    const { teach: __, ...labelled } = chosen;
    await expect(train(path, { ...labelled, folder: join(parent, "no") })).rejects.toMatchObject({
      code: "missing-file",
    });
  });

  it.each([
    [{ distill: {} }, "distill"],
    [{ labelSmoothing: 0.1 }, "labelSmoothing"],
    [{ outputWeights: { mapp: 1 } }, "map"],
    [{ outputWeights: { map: 0, logits: 0 } }, "weight of zero"],
    [{ teach: undefined, outputKinds: { map: "values" as const } }, "outputKinds"],
    [{ fromScratch: true }, "teach"],
  ])("refuses %j", async (more, about) => {
    const refused = train(file, { ...options, ...more, folder: join(parent, "refused") });
    await expect(refused).rejects.toMatchObject({ message: expect.stringContaining(about) });
  });
});

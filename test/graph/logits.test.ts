/** Networks that end in a softmax, as files of other tools do: losses, teachers and scores are of what it reads. */
import { describe, expect, it } from "vitest";
import { required } from "../../src/core/errors.ts";
import { tensor } from "../../src/core/tensor.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { readOnnx } from "../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { endingInLogits } from "../../src/graph/logits.ts";
import { compact } from "../../src/pruning/compact.ts";
import { place } from "../../src/selection/place.ts";
import { DistillationTeacher } from "../../src/training/network/distillation-teacher.ts";
import { labels, randomWeights, spread } from "../engine/random-data.ts";
import { train } from "../engine/training-steps.ts";
import { referenceHost } from "../evaluation/reference-host.ts";

type End = "logits" | "softmax" | "logarithm";
const ends = ["softmax", "logarithm"] as const;

function network(end: End): Graph {
  const builder = new GraphBuilder("network");
  const src = builder.input("images", ["N", 3, 5, 5]);
  const conv = builder.convolution("conv", src, { channels: 6, kernel: 3, padding: 1, bias: true });
  const relu = builder.relu("relu", builder.batchNormalization("norm", conv));
  const logits = builder.linear("fc", builder.flatten("flat", builder.globalAveragePooling("pool", relu)), 4);
  builder.output(
    end === "logits" ? logits : builder.softmax("end", logits, end === "logarithm" ? { isLogarithm: true } : {}),
  );
  return builder.build();
}

/** MobileNet's classifier: a convolution of what was pooled, a softmax over its channels, flattened. */
function convolutional(hasSoftmax: boolean): Graph {
  const builder = new GraphBuilder("convolutional");
  const src = builder.input("images", ["N", 3, 5, 5]);
  const relu = builder.relu("relu", builder.convolution("conv", src, { channels: 6, kernel: 3, bias: true }));
  const pooled = builder.globalAveragePooling("pool", relu);
  const logits = builder.convolution("predictions", pooled, { channels: 4, kernel: 1, bias: true });
  builder.output(builder.flatten("flat", hasSoftmax ? builder.softmax("end", logits) : logits));
  return builder.build();
}

describe("a softmax of one pixel that is flattened", () => {
  it("is trained as the flattened logits, to the last bit", () => {
    const [plain, ending] = [false, true].map((hasSoftmax) =>
      train(createReferenceEngine(), { forward: convolutional(hasSoftmax), batch: 4 }, 0, 5),
    );
    expect(ending).toEqual(plain);
  });

  it("is told from one of several pixels, which the flattened logits would not answer alike", () => {
    expect(endingInLogits(convolutional(true))).toEqual(convolutional(false));
    const builder = new GraphBuilder("pixels");
    const src = builder.input("images", ["N", 3, 2, 2]);
    builder.output(builder.flatten("flat", builder.softmax("end", src)));
    const pixels = builder.build();
    expect(endingInLogits(pixels)).toBe(pixels);
  });
});

describe.each(ends)("a network that ends in a %s", (end) => {
  it("is trained as the one that ends in the logits, to the last bit", () => {
    const [plain, ending] = (["logits", end] as const).map((each) =>
      train(createReferenceEngine(), { forward: network(each), batch: 4 }, 0, 5),
    );
    expect(ending).toEqual(plain);
  });

  it("has the mean −log p of the labels for its loss, p being its own answers", () => {
    const forward = { ...network(end), updates: [] };
    const engine = createReferenceEngine();
    const plan = engine.prepare(forward, { batch: 4 });
    plan.write(randomWeights(forward, 7));
    const answers = required(plan.run({ images: spread([4, 3, 5, 5], 0, "images") })[forward.outputs[0] ?? ""], "p");
    const truth = labels(4, 4, 0);
    const terms = [...truth.data].map((label, row) => {
      const answer = answers.data[row * 4 + label] ?? Number.NaN;
      return end === "softmax" ? -Math.log(answer) : -answer;
    });
    const { losses } = train(engine, { forward, batch: 4, batchNormalization: "frozen" }, 0, 1);
    expect(losses[0]).toBeCloseTo(terms.reduce((sum, term) => sum + term, 0) / 4, 6);
  });

  it("teaches as the one that ends in the logits", async () => {
    const options = { host: referenceHost(), batch: 2, precision: "f32", choices: {}, temperature: 4 } as const;
    const weights = randomWeights(network(end), 7);
    const [plain, ending] = await Promise.all(
      (["logits", end] as const).map(async (each) => {
        const teacher = await DistillationTeacher.open({ graph: network(each), weights }, options);
        return teacher.targets(spread([2, 3, 5, 5], 1, "images"));
      }),
    );
    expect(ending).toEqual(plain);
  });

  it("keeps it when it is cut and written", () => {
    const { graph, factors } = place(network(end), { neurons: 1 });
    const weights = new Map(randomWeights(graph, 7));
    for (const { parameter } of factors) weights.set(parameter, tensor([6], Float32Array.of(1, 0, 0.5, 0, 1, 2)));
    const { network: small } = compact({ graph, weights });
    const read = readOnnx(writeOnnx(small), "small.onnx").graph;
    expect(read.nodes.at(-1)).toEqual(network(end).nodes.at(-1));
    expect(read.outputs).toEqual(network(end).outputs);
    expect(read.parameters.find(({ name }) => name === "fc.weights")?.shape).toEqual([4, 4]);
  });

  it("is told where its logits are", () => {
    expect(endingInLogits(network(end))).toEqual(network("logits"));
    expect(endingInLogits(network("logits"))).toEqual(network("logits"));
  });
});

/**
 * What a plan does where oneDNN refuses. The library here is the real one, but for calls that answer with the status
 * that a library without that kernel gives.
 */
import { describe, expect, it } from "vitest";
import { trainingGraph } from "../../../src/autodiff/training-graph.ts";
import { required } from "../../../src/core/errors.ts";
import { filled } from "../../../src/core/tensor.ts";
import type { Engine, Plan } from "../../../src/engine/engine.ts";
import { openOneDnn } from "../../../src/engine/onednn/ffi/library.ts";
import { createOneDnnEngine } from "../../../src/engine/onednn/index.ts";
import { createReferenceEngine } from "../../../src/engine/reference/index.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/graph.ts";
import { networkCases, opCases } from "../cases.ts";
import { expectSameAsReference } from "../conformance.ts";
import { errorOf } from "../plan-contract.ts";
import { randomFeeds, randomWeights } from "../random-data.ts";

const UNIMPLEMENTED = 3;

/** An engine whose library refuses the calls of every C function whose name has one of `parts` in it. */
function refusing(...parts: readonly string[]): Engine {
  const library = openOneDnn((name, call) => {
    if (typeof call !== "function" || !parts.some((part) => name.includes(part))) return call;
    return new Proxy(call, { apply: () => UNIMPLEMENTED });
  });
  return createOneDnnEngine({ threads: 1, library });
}

/** Parts of the names by which oneDNN 2 and 3 describe operations. */
const refusable = [
  "convolution_forward",
  "convolution_backward_data",
  "convolution_backward_weights",
  "batch_normalization_forward",
  "batch_normalization_backward",
  "eltwise_forward",
  "eltwise_backward",
  "binary_",
  "pooling_forward",
  "pooling_v2_forward",
  "pooling_backward",
  "pooling_v2_backward",
  "inner_product_forward",
  "inner_product_backward_data",
  "inner_product_backward_weights",
  "concat_",
] as const;

describe("an op that oneDNN refuses runs on the host, and gives what the reference gives", () => {
  it.each(refusable)("%s", (call) => {
    const engine = refusing(call);
    for (const testCase of networkCases) expectSameAsReference(engine, testCase);
  });

  it("also if it refuses all of them", () => {
    const engine = refusing(...refusable);
    for (const testCase of [...networkCases, ...opCases]) expectSameAsReference(engine, testCase);
  });
});

function network(): Graph {
  const builder = new GraphBuilder("small");
  const images = builder.input("images", ["N", 3, 8, 8]);
  const convolved = builder.convolution("conv", images, { channels: 24, kernel: 3, padding: 1 });
  const active = builder.relu("relu", builder.batchNormalization("norm", convolved));
  builder.output(builder.linear("linear", builder.flatten("flat", builder.globalAveragePooling("pool", active)), 4));
  return builder.build();
}

describe("a fallback", () => {
  const graph = trainingGraph(network(), {
    batch: 2,
    sgd: { momentum: 0.9, weightDecay: 1e-3 },
    factors: { momentum: 0.9, keepLast: new Set() },
  });
  const labels = { dtype: "i32", shape: [2], data: Int32Array.of(0, 3) } as const;
  const feeds = { ...randomFeeds(network(), 2, 1), labels, learning_rate: filled([], 0.1) };
  const using = <T>(engine: Engine, work: (plan: Plan) => T): T => {
    const plan = engine.prepare(graph, { batch: 2 });
    plan.write(randomWeights(graph, 1));
    try {
      return work(plan);
    } finally {
      plan.dispose();
    }
  };

  it("is explained, with what the library said, and told in a notice that names the node", () => {
    const { notices, steps } = using(refusing("batch_normalization_backward"), (plan) => ({
      notices: plan.notices,
      steps: plan.explain(feeds, 1),
    }));
    const reason = "oneDNN refused to compute a batch normalization, backward: unimplemented";
    expect(notices).toEqual([expect.stringContaining(reason)]);
    expect(notices[0]).toContain("batch normalization training backward");
    const step = required(
      steps.find(({ op }) => op === "batch_normalization_training_backward"),
      "the step",
    );
    expect(step).toMatchObject({ implementation: "host", passedOver: [{ implementation: "oneDNN", reason }] });
    // The mask of the ReLU ran inside it before; now it is a step of its own.
    expect(steps.filter(({ op }) => op === "relu_backward")).toHaveLength(1);
    const usual = using(createOneDnnEngine({ threads: 1 }), (plan) => ({
      notices: plan.notices,
      steps: plan.explain(feeds, 1),
    }));
    expect(usual.notices).toEqual([]);
    expect(usual.steps.filter(({ op }) => op === "relu_backward")).toEqual([]);
  });

  it("is not needed where one of several algorithms is refused; explain says which", () => {
    const { notices, steps } = using(createOneDnnEngine({ threads: 1 }), (plan) => ({
      notices: plan.notices,
      steps: plan.explain(feeds, 1),
    }));
    expect(notices).toEqual([]);
    const [convolution] = steps.filter(({ op }) => op === "convolution");
    expect(convolution?.implementation).not.toBe("host");
    // No version has Winograd for images of three channels.
    expect(convolution?.passedOver).toContainEqual({
      implementation: expect.stringMatching(/^(nChw\d+c|nhwc) winograd$/),
      reason: "unimplemented",
    });
  });

  it("trains as the reference does", () => {
    const losses = [
      refusing("convolution_backward_weights", "batch_normalization_forward"),
      createReferenceEngine(),
    ].map((engine) => using(engine, (plan) => [1, 2, 3].map(() => plan.run(feeds)["loss"]?.data[0] ?? Number.NaN)));
    losses[0]?.forEach((loss, index) => {
      expect(loss).toBeCloseTo(losses[1]?.[index] ?? Number.NaN, 4);
    });
  });
});

it("a node that cannot be handed to the host either is named in an error", () => {
  // Without reorders nothing gets out of a blocked layout; nor could kernels be compared, so they are those of the
  // whole library.
  const whole = createOneDnnEngine({ threads: 1 }).prepare(network(), { batch: 2 });
  const { choices } = whole;
  whole.dispose();
  const engine = refusing("reorder_");
  expect(errorOf(() => engine.prepare(network(), { batch: 2, choices }))).toMatchObject({
    code: "engine-refused",
    exitCode: 2,
    message: expect.stringMatching(/"(conv|norm|pool|flat|linear)".*--engine reference/),
  });
});

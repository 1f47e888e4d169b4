/** What a plan of any engine promises besides right numbers: checked feeds and writes, copies, updates, an end. */
import { expect, it } from "vitest";
import { UserError } from "../../src/core/errors.ts";
import { filled, type Tensor, tensor } from "../../src/core/tensor.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { type Graph, makeNode } from "../../src/graph/graph.ts";

/** dst = src + bias per channel; after a run, the bias takes the running average of itself and the input "target". */
function countingGraph(): Graph {
  const builder = new GraphBuilder("counting");
  const src = builder.input("src", ["N", 2, 1, 1]);
  const dst = builder.bias("layer", src);
  builder.output(dst);
  const graph = builder.build();
  const step = makeNode("running_average", "step", ["layer.bias", "target"], ["next"], {
    momentum: 0.5,
    correction: 1,
  });
  return {
    ...graph,
    inputs: [...graph.inputs, { name: "target", dtype: "f32", shape: [2] }],
    nodes: [...graph.nodes, step],
    updates: [{ parameter: "layer.bias", value: "next" }],
  };
}

const feeds = {
  src: tensor([3, 2, 1, 1], Float32Array.of(1, 2, 3, 4, 5, 6)),
  target: tensor([2], Float32Array.of(8, 16)),
};

/** The error that `action` must throw. */
export function errorOf(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  }
  return expect.fail("nothing was thrown");
}

/** Declares the tests of the contract; `create` is called once a test. */
export function describePlanContract(create: () => Engine): void {
  const prepare = (): ReturnType<Engine["prepare"]> => create().prepare(countingGraph(), { batch: 3 });
  const values = (tensors: ReadonlyMap<string, Tensor>): number[] => [...(tensors.get("layer.bias")?.data ?? [])];

  it("has parameters of zero until they are written, and keeps what an update gives them", () => {
    const plan = prepare();
    expect(values(plan.read(["layer.bias"]))).toEqual([0, 0]);
    expect([...(plan.run(feeds)["layer"]?.data ?? [])]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(values(plan.read(["layer.bias"]))).toEqual([4, 8]);
    expect([...(plan.run(feeds)["layer"]?.data ?? [])]).toEqual([5, 10, 7, 12, 9, 14]);
    plan.write(new Map([["layer.bias", filled([2], 1)]]));
    expect([...(plan.run(feeds)["layer"]?.data ?? [])]).toEqual([2, 3, 4, 5, 6, 7]);
    expect(plan.bytes).toBeGreaterThan(0);
    plan.dispose();
  });

  it("hands out copies", () => {
    const plan = prepare();
    const first = plan.run(feeds)["layer"];
    const bias = plan.read(["layer.bias"]);
    plan.run(feeds);
    expect(first?.data[0]).toBe(1);
    expect(values(bias)).toEqual([4, 8]);
    bias.get("layer.bias")?.data.fill(100);
    expect(values(plan.read(["layer.bias"]))).toEqual([6, 12]);
    plan.dispose();
  });

  it("explains its steps and moves the parameters in doing so", () => {
    const plan = prepare();
    const steps = plan.explain(feeds, 2);
    expect(steps.length).toBeGreaterThan(0);
    for (const step of steps) expect(step.milliseconds).toBeGreaterThanOrEqual(0);
    expect(values(plan.read(["layer.bias"]))).toEqual([6, 12]);
    plan.dispose();
  });

  it("tells where the time of whole runs goes, and moves the parameters in doing so", () => {
    const plan = prepare();
    const { whole, primitives, host, copies, outsidePrimitives } = plan.times(feeds, 2);
    expect(whole).toBeGreaterThan(0);
    for (const part of [primitives, host, copies]) expect(part).toBeGreaterThanOrEqual(0);
    expect(outsidePrimitives).toBeGreaterThan(0);
    expect(outsidePrimitives).toBeLessThanOrEqual(1);
    expect(values(plan.read(["layer.bias"]))).toEqual([6, 12]);
    plan.dispose();
  });

  it("refuses feeds that do not fit", () => {
    const plan = prepare();
    expect(errorOf(() => plan.run({ ...feeds, scr: feeds.src }))).toMatchObject({
      code: "unknown-name",
      message: expect.stringContaining('Did you mean "src"?'),
    });
    expect(errorOf(() => plan.run({ src: feeds.src }))).toMatchObject({
      code: "bad-option",
      message: expect.stringContaining('"target"'),
    });
    expect(errorOf(() => plan.run({ ...feeds, src: filled([2, 2, 1, 1], 0) })).details).toMatchObject({
      expected: "[3,2,1,1]",
      received: "[2,2,1,1]",
    });
    const integers = { dtype: "i32", shape: [2], data: new Int32Array(2) } as const;
    expect(errorOf(() => plan.run({ ...feeds, target: integers })).details).toMatchObject({ expected: "f32" });
    const short: Tensor = { dtype: "f32", shape: [2], data: new Float32Array(1) };
    expect(errorOf(() => plan.run({ ...feeds, target: short })).code).toBe("bad-option");
    // None of it has moved a parameter.
    expect(values(plan.read(["layer.bias"]))).toEqual([0, 0]);
    plan.dispose();
  });

  it("refuses writes and reads that do not fit", () => {
    const plan = prepare();
    const unknown = errorOf(() => plan.write(new Map([["layer.bais", filled([2], 0)]])));
    expect(unknown).toMatchObject({ code: "unknown-name", message: expect.stringContaining('"layer.bias"') });
    expect(errorOf(() => plan.write(new Map([["layer.bias", filled([3], 0)]]))).code).toBe("bad-option");
    expect(errorOf(() => plan.read(["layer"])).code).toBe("unknown-name");
    plan.dispose();
  });

  it("refuses an illegal batch", () => {
    for (const batch of [0, -1, 1.5, Number.NaN]) {
      expect(errorOf(() => create().prepare(countingGraph(), { batch })).code).toBe("bad-option");
    }
  });

  it("is of no use once disposed", () => {
    const plan = prepare();
    plan.dispose();
    for (const action of [
      () => plan.run(feeds),
      () => plan.read(["layer.bias"]),
      () => plan.write(new Map()),
      () => plan.explain(feeds, 1),
      () => plan.times(feeds, 1),
      () => plan.dispose(),
    ]) {
      expect(errorOf(action).code).toBe("use-after-dispose");
    }
  });
}

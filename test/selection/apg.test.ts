/**
 * The proximal step against the paper's equations, and the three ways in which public re-implementations get it wrong.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { trainingGraph } from "../../src/autodiff/training-graph.ts";
import { filled, tensor } from "../../src/core/tensor.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { accelerateProximalGradient, softThreshold } from "../../src/selection/apg.ts";

const step = { learningRate: 0.1, momentum: 0.9, gamma: Float32Array.of(0.5), keepLast: false };

/** λ and v after one step. */
function stepped(
  factors: readonly number[],
  gradient: readonly number[],
  velocity: readonly number[],
  options: Partial<typeof step> = {},
): { factors: number[]; velocity: number[] } {
  const state = { factors: Float32Array.from(factors), velocity: Float32Array.from(velocity) };
  accelerateProximalGradient(state, Float32Array.from(gradient), { ...step, ...options });
  return { factors: [...state.factors], velocity: [...state.velocity] };
}

describe("one step", () => {
  it("is equations 10 to 12 of the paper, clamped at zero", () => {
    // z = S(1 − 0.1·2, 0.05) = 0.75; v = 0.75 − 1 + 0.9·0.2 = −0.07; λ = 0.75 − 0.9·0.07.
    const { factors, velocity } = stepped([1], [2], [0.2]);
    expect(velocity[0]).toBeCloseTo(-0.07, 6);
    expect(factors[0]).toBeCloseTo(0.687, 6);
  });

  it("reaches zero exactly, and never goes below", () => {
    expect(stepped([0.04], [0], [0]).factors).toEqual([0]);
    expect(stepped([0.3], [0], [-1]).factors).toEqual([0]);
    fc.assert(
      fc.property(
        fc.float({ min: 0, max: 2, noNaN: true }),
        fc.float({ min: -5, max: 5, noNaN: true }),
        fc.float({ min: -2, max: 2, noNaN: true }),
        (factor, gradient, velocity) => (stepped([factor], [gradient], [velocity]).factors[0] ?? -1) >= 0,
      ),
    );
  });

  it("lets a zero rest exactly while its gradient is at least −γ", () => {
    fc.assert(
      fc.property(fc.double({ min: -0.499, max: 10, noNaN: true }), (gradient) => {
        const { factors, velocity } = stepped([0], [gradient], [0]);
        // A gradient beyond +γ pushes z below zero; the clamp holds λ.
        return factors[0] === 0 && (velocity[0] ?? 1) <= 0;
      }),
    );
    expect(stepped([0], [-0.51], [0]).factors[0]).toBeGreaterThan(0);
  });

  it("takes one γ for all factors, or one for each", () => {
    const { factors } = stepped([1, 1], [0, 0], [0, 0], { momentum: 0, gamma: Float32Array.of(1, 2) });
    expect(factors[0]).toBeCloseTo(0.9, 6);
    expect(factors[1]).toBeCloseTo(0.8, 6);
    expect(() => stepped([1, 1, 1], [0, 0, 0], [0, 0, 0], { gamma: Float32Array.of(1, 2) })).toThrow(/γ/);
  });

  it("may write elsewhere and then leaves its inputs alone", () => {
    const state = { factors: Float32Array.of(1, 0.01), velocity: Float32Array.of(0.2, 0) };
    const next = { factors: new Float32Array(2), velocity: new Float32Array(2) };
    accelerateProximalGradient(state, Float32Array.of(2, 0), step, next);
    expect([...state.factors]).toEqual([1, Math.fround(0.01)]);
    expect(next.factors[0]).toBeCloseTo(0.687, 6);
    accelerateProximalGradient(state, Float32Array.of(2, 0), step);
    expect(state).toEqual(next);
  });

  it("soft-thresholds both signs", () => {
    expect([3, 0.5, 0, -0.5, -3].map((value) => softThreshold(value, 1))).toEqual([2, 0, 0, -0, -2]);
  });
});

describe("keeping the last factor", () => {
  const all = { gamma: Float32Array.of(100), keepLast: true };

  it("leaves the largest one as it was, at rest, where all would be zero", () => {
    expect(stepped([0.25, 0.5, 0.125], [0, 0, 0], [0, 0.1, 0], all)).toMatchObject({ factors: [0, 0.5, 0] });
    expect(stepped([0.25, 0.5, 0.125], [0, 0, 0], [0, 0.1, 0], all).velocity[1]).toBe(0);
    expect(stepped([0.25, 0.5, 0.125], [0, 0, 0], [0, 0.1, 0], { ...all, keepLast: false }).factors).toEqual([0, 0, 0]);
  });

  it("keeps one factor of the given run", () => {
    const run = { gamma: Float32Array.of(0, 100, 100, 0), keepLast: true, keepRun: [1, 3] } as const;
    expect(stepped([0.5, 0.25, 0.125, 0.5], [0, 0, 0, 0], [0, 0, 0, 0], run).factors).toEqual([0.5, 0.25, 0, 0.5]);
    const outside = { ...run, keepRun: [0, 2] } as const;
    expect(stepped([0.5, 0.25, 0.125, 0.5], [0, 0, 0, 0], [0, 0, 0, 0], outside).factors).toEqual([0.5, 0, 0, 0.5]);
  });

  it("does nothing where one survives anyway", () => {
    const gamma = Float32Array.of(100, 0.5, 100);
    const kept = stepped([0.25, 0.5, 0.75], [0, 0, 0], [0, 0, 0], { gamma, keepLast: true });
    expect(kept).toEqual(stepped([0.25, 0.5, 0.75], [0, 0, 0], [0, 0, 0], { gamma }));
    expect(kept.factors[2]).toBe(0);
  });
});

describe("known mistakes", () => {
  /** A training step of a network with one scaled layer, and the values of `names` after `count` of them. */
  function afterSteps(count: number, gamma: number, names: readonly string[]): number[][] {
    const builder = new GraphBuilder("network");
    const hidden = builder.linear("hidden", builder.input("src", ["N", 2]), 2, { bias: false });
    builder.output(builder.linear("fc", builder.scale("hidden.neuron", hidden, 2), 2, { bias: false }));
    const graph = trainingGraph(builder.build(), {
      batch: 1,
      // A momentum and a decay that would show on λ if the weights' optimizer touched it.
      sgd: { momentum: 0.5, weightDecay: 10 },
      factors: { momentum: 0.9, keepLast: new Set() },
    });
    const plan = createReferenceEngine().prepare(graph, { batch: 1 });
    // The weights are zero, so ∂loss/∂λ is zero: λ is moved by the proximal operator and the momentum alone.
    plan.write(new Map([["hidden.neuron.factor", filled([2], 1)]]));
    for (let i = 0; i < count; i++) {
      plan.run({
        src: filled([1, 2], 1),
        labels: { dtype: "i32", shape: [1], data: Int32Array.of(0) },
        learning_rate: tensor([], Float32Array.of(0.1)),
        "hidden.neuron.factor.gamma": filled([2], gamma),
      });
    }
    const values = plan.read(names);
    return names.map((name) => [...(values.get(name)?.data ?? [])]);
  }

  it("the weights' optimizer does not step λ too: without γ and gradient λ stays, at any weight decay", () => {
    expect(afterSteps(3, 0, ["hidden.neuron.factor"])).toEqual([[1, 1]]);
  });

  it("v is written back: the second step starts from the first one's velocity", () => {
    // Step 1: z = 0.98, v = −0.02, λ = 0.98 − 0.018 = 0.962.
    // Step 2: z = 0.942, v = −0.02 − 0.018 = −0.038, λ = 0.942 − 0.0342 = 0.9078; with v forgotten it would be 0.924.
    const [factors = [], velocity = []] = afterSteps(2, 0.2, ["hidden.neuron.factor", "hidden.neuron.factor.velocity"]);
    expect(velocity[0]).toBeCloseTo(-0.038, 6);
    expect(factors[0]).toBeCloseTo(0.9078, 6);
  });

  it("the gradient has no subgradient of the penalty: one step without momentum takes ηγ, not twice that", () => {
    // From rest: z = 1 − ηγ, v = −ηγ, λ = 1 − ηγ·(1 + μ).
    const [factors = []] = afterSteps(1, 0.2, ["hidden.neuron.factor"]);
    expect(factors[0]).toBeCloseTo(1 - 0.02 * 1.9, 6);
  });
});

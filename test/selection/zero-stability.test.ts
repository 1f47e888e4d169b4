/**
 * The watch over zeros against the proximal step itself: what it counts as held cannot have moved, and does not move.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { accelerateProximalGradient } from "../../src/selection/apg.ts";
import { watchZeros } from "../../src/selection/zero-stability.ts";

const gamma = Float32Array.of(0.5);
const step = { learningRate: 0.1, momentum: 0.9, gamma, keepLast: false };

interface Watched {
  readonly factors: Float32Array;
  readonly velocity: Float32Array;
  readonly held: Float32Array;
  readonly margin: Float32Array;
}

function watched(factor: number, velocity: number): Watched {
  return {
    factors: Float32Array.of(factor),
    velocity: Float32Array.of(velocity),
    held: Float32Array.of(0),
    margin: Float32Array.of(0),
  };
}

/** One training step: the watch, then the proximal step. */
function take(state: Watched, gradient: number, learningRate = step.learningRate): void {
  const g = Float32Array.of(gradient);
  watchZeros({ ...state, gradient: g, gamma }, state);
  accelerateProximalGradient(state, g, { ...step, learningRate });
}

test("steps at zero with a margin are counted, and their lowest margin kept", () => {
  const state = watched(0, 0);
  for (const gradient of [1, -0.25, 0.5]) take(state, gradient);
  expect(state).toMatchObject({ held: Float32Array.of(3), margin: Float32Array.of(0.25) });
  take(state, -0.75);
  expect(state).toMatchObject({ held: Float32Array.of(0), margin: Float32Array.of(-0.25) });
});

test("a factor that is not zero, or that its velocity could lift, is not held", () => {
  for (const state of [watched(0.01, -1), watched(0, 1e-6)]) {
    take(state, 0);
    expect(state.held[0]).toBe(0);
    // γ alone presses on it, and that is told although nothing is held.
    expect(state.margin[0]).toBe(0.5);
  }
});

test("a gradient of exactly −γ still holds", () => {
  const state = watched(0, 0);
  take(state, -0.5);
  expect(state).toMatchObject({ factors: Float32Array.of(0), held: Float32Array.of(1), margin: Float32Array.of(0) });
});

const gradients = fc.array(fc.float({ min: -2, max: 2, noNaN: true }), { minLength: 1, maxLength: 40 });

test("after a counted step, the factor is zero and its velocity is not positive", () => {
  const factor = fc.constantFrom(0, 0.02, 0.3);
  const velocity = fc.float({ min: -1, max: 1, noNaN: true });
  fc.assert(
    fc.property(factor, velocity, gradients, (start, speed, course) => {
      const state = watched(start, speed);
      let held = 0;
      for (const gradient of course) {
        const isAtZero = state.factors[0] === 0 && (state.velocity[0] ?? 0) <= 0;
        take(state, gradient);
        held = isAtZero && gradient + 0.5 >= 0 ? held + 1 : 0;
        expect(state.held[0]).toBe(held);
        if (held > 0) expect(state.factors[0] === 0 && (state.velocity[0] ?? 1) <= 0).toBe(true);
      }
    }),
  );
});

test("a held factor stays at zero at any learning rate while its margin is not negative", () => {
  const margins = fc.array(
    fc.record({
      gradient: fc.float({ min: -0.5, max: 3, noNaN: true }),
      rate: fc.float({ min: 0, max: 4, noNaN: true }),
    }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(fc.float({ min: -2, max: 0, noNaN: true }), margins, (velocity, course) => {
      const state = watched(0, velocity);
      for (const { gradient, rate } of course) {
        take(state, gradient, rate);
        expect(state.factors[0]).toBe(0);
      }
      expect(state.held[0]).toBe(course.length);
    }),
  );
});

import { describe, expect, test } from "vitest";
import { activationDerivative, activationFunction } from "../../src/graph/activations.ts";
import { erf } from "../../src/graph/erf.ts";

describe("the error function", () => {
  // From the C library.
  test.each([
    [1e-10, 1.1283791670955126e-10],
    [0.1, 0.1124629160182849],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [1.5, 0.9661051464753108],
    [2, 0.9953222650189527],
    [2.4999, 0.9995928300996666],
    [2.5, 0.999593047982555],
    [3, 0.9999779095030014],
    [4, 0.9999999845827421],
    [5.5, 0.9999999999999927],
    [-0.7, -0.6778011938374184],
    [-3.3, -0.9999969422902035],
  ])("of %f", (x, value) => {
    expect(Math.abs(erf(x) - value)).toBeLessThanOrEqual(4e-16 * Math.abs(value) + Number.MIN_VALUE);
  });

  test("at its ends", () => {
    expect([erf(0), erf(7), erf(-40), erf(Number.POSITIVE_INFINITY)]).toEqual([0, 1, -1, 1]);
    expect(erf(Number.NaN)).toBeNaN();
  });
});

describe("GELU", () => {
  // From torch.nn.functional.gelu in 64 bits.
  test.each([
    ["none", -3, -0.00404969409489031],
    ["none", -0.5, -0.15426876936299344],
    ["none", 0, 0],
    ["none", 1.25, 1.117937782916431],
    ["tanh", -3, -0.0036373920817729943],
    ["tanh", -0.5, -0.15428599017485606],
    ["tanh", 0, 0],
    ["tanh", 1.25, 1.1177142029697147],
  ] as const)("approximation %s at %f", (approximation, x, value) => {
    expect(activationFunction({ function: "gelu", approximation })(x)).toBeCloseTo(value, 14);
  });
});

describe("derivatives where there is none", () => {
  // As in PyTorch and oneDNN.
  test.each([
    [{ function: "absolute" }, 0],
    [{ function: "square_root" }, 0],
    [{ function: "power", exponent: 0.3 }, 0],
    [{ function: "power", exponent: 0 }, 0],
    [{ function: "power", exponent: 1 }, 1],
  ] as const)("%j at 0", (attributes, value) => {
    expect(activationDerivative(attributes)(0)).toBe(value);
  });
});

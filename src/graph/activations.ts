/** The functions of the `activation` op and their derivatives. `ops.ts` has the formulas. */

import type { ActivationAttributes } from "./attributes.ts";
import { erf } from "./erf.ts";

/** The numbers of GELU's approximation: x/2 · (1 + tanh(slope · (x + cubic·x³))). */
export const geluTanh = { slope: Math.sqrt(2 / Math.PI), cubic: 0.044715 } as const;
const { slope: GELU_SLOPE, cubic: GELU_CUBIC } = geluTanh;

type Scalar = (x: number) => number;

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** The distribution function of the standard normal distribution. */
function normalDistribution(x: number): number {
  return (1 + erf(x * Math.SQRT1_2)) / 2;
}

function normalDensity(x: number): number {
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
}

function softplus(x: number): number {
  return Math.max(0, x) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** The derivative of x^`exponent`. Where it is infinite it counts as 0: a gradient has to be a number. */
function powerDerivative(exponent: number): Scalar {
  return (x) => (x === 0 && exponent < 1 ? 0 : exponent * x ** (exponent - 1));
}

function between0And1(x: number): number {
  return Math.min(1, Math.max(0, x));
}

/** The function that `attributes` names. */
export function activationFunction(attributes: ActivationAttributes): Scalar {
  switch (attributes.function) {
    case "sigmoid":
      return sigmoid;
    case "tanh":
      return Math.tanh;
    case "hard_swish":
      return (x) => x * between0And1(x / 6 + 0.5);
    case "gelu":
      if (attributes.approximation === "none") return (x) => x * normalDistribution(x);
      return (x) => (x / 2) * (1 + Math.tanh(GELU_SLOPE * (x + GELU_CUBIC * x ** 3)));
    case "softplus":
      return softplus;
    case "erf":
      return erf;
    case "softsign":
      return (x) => x / (1 + Math.abs(x));
    case "mish":
      return (x) => x * Math.tanh(softplus(x));
    case "exponential":
      return Math.exp;
    case "logarithm":
      return Math.log;
    case "absolute":
      return Math.abs;
    case "reciprocal":
      return (x) => 1 / x;
    case "square_root":
      return Math.sqrt;
    case "elu":
      return (x) => (x > 0 ? x : attributes.alpha * Math.expm1(x));
    case "celu":
      return (x) => (x > 0 ? x : attributes.alpha * Math.expm1(x / attributes.alpha));
    case "selu":
      return (x) => attributes.gamma * (x > 0 ? x : attributes.alpha * Math.expm1(x));
    case "power":
      return (x) => x ** attributes.exponent;
    case "leaky_relu":
      return (x) => (x > 0 ? x : attributes.slope * x);
    case "hard_sigmoid":
      return (x) => between0And1(attributes.slope * x + attributes.offset);
    case "linear":
      return (x) => attributes.slope * x + attributes.offset;
  }
}

/** The derivative of the function that `attributes` names. */
export function activationDerivative(attributes: ActivationAttributes): Scalar {
  switch (attributes.function) {
    case "sigmoid":
      return (x) => sigmoid(x) * (1 - sigmoid(x));
    case "tanh":
      return (x) => 1 - Math.tanh(x) ** 2;
    case "hard_swish":
      return (x) => (x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5);
    case "gelu":
      if (attributes.approximation === "none") return (x) => normalDistribution(x) + x * normalDensity(x);
      return (x) => {
        const value = Math.tanh(GELU_SLOPE * (x + GELU_CUBIC * x ** 3));
        return (1 + value + x * (1 - value ** 2) * GELU_SLOPE * (1 + 3 * GELU_CUBIC * x ** 2)) / 2;
      };
    case "softplus":
      return sigmoid;
    case "erf":
      return (x) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x);
    case "softsign":
      return (x) => 1 / (1 + Math.abs(x)) ** 2;
    case "mish":
      return (x) => {
        const gate = Math.tanh(softplus(x));
        return gate + x * (1 - gate ** 2) * sigmoid(x);
      };
    case "exponential":
      return Math.exp;
    case "logarithm":
      return (x) => 1 / x;
    case "absolute":
      return Math.sign;
    case "reciprocal":
      return (x) => -1 / x ** 2;
    case "square_root":
      return powerDerivative(0.5);
    case "elu":
      return (x) => (x > 0 ? 1 : attributes.alpha * Math.exp(x));
    case "celu":
      return (x) => (x > 0 ? 1 : Math.exp(x / attributes.alpha));
    case "selu":
      return (x) => attributes.gamma * (x > 0 ? 1 : attributes.alpha * Math.exp(x));
    case "power":
      return powerDerivative(attributes.exponent);
    case "leaky_relu":
      return (x) => (x > 0 ? 1 : attributes.slope);
    case "hard_sigmoid":
      return (x) => {
        const value = attributes.slope * x + attributes.offset;
        return value > 0 && value < 1 ? attributes.slope : 0;
      };
    case "linear":
      return () => attributes.slope;
  }
}

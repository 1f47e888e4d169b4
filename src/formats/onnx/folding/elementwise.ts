/** Folds arithmetic on constants: element by element, with broadcasting, integers as ONNX computes them. */
import { elementCount } from "../../../core/tensor.ts";
import { erf } from "../../../graph/erf.ts";
import { broadcastDims, broadcastIndex } from "./broadcast.ts";
import { at, type Constant, type ConstantType, constant, scalarsOf } from "./constant.ts";
import type { FoldContext, FoldRule } from "./rule.ts";
import { dividedBy, equal, minus, plain, plus, type Scalar, times } from "./scalar.ts";

type Combine = (a: Scalar, b: Scalar, type: ConstantType) => Scalar;

/**
 * A rule that applies `combine` to all inputs from left to right. The result has type `result`, or the type of the
 * first input.
 */
function folding(combine: Combine, result?: ConstantType): FoldRule {
  return (context) => {
    const inputs = context.node.inputs.map((_, index) => context.input(index));
    const [first, ...others] = inputs;
    if (first === undefined) throw context.node.unsupported("has no input");
    return [others.reduce((sum, other) => combined(context, sum, other, combine, result), first)];
  };
}

function combined(
  { node, claim }: FoldContext,
  a: Constant,
  b: Constant,
  combine: Combine,
  result: ConstantType = a.type,
): Constant {
  const dims = claim(broadcastDims(node, [a.dims, b.dims]));
  const [fromA, fromB] = [broadcastIndex(a.dims, dims), broadcastIndex(b.dims, dims)];
  const count = elementCount(dims);
  const element = (index: number): Scalar => combine(at(a, fromA(index)), at(b, fromB(index)), a.type);
  if (result === "float" && a.values instanceof Float32Array && b.values instanceof Float32Array) {
    const values = new Float32Array(count);
    for (let index = 0; index < count; index++) values[index] = plain(element(index), "computes");
    return { type: result, dims, values };
  }
  return constant(
    result,
    dims,
    Array.from({ length: count }, (_, index) => element(index)),
  );
}

/** A `Combine` of plain numbers. Throws if a number depends on the batch size; `what` is the verb of the message. */
function numeric(what: string, compute: (a: number, b: number, type: ConstantType) => number): Combine {
  return (a, b, type) => compute(plain(a, what), plain(b, what), type);
}

function comparing(compare: (a: number, b: number) => boolean): FoldRule {
  return folding(
    numeric("compares", (a, b) => Number(compare(a, b))),
    "boolean",
  );
}

function mapping(what: string, compute: (value: number) => number): FoldRule {
  return (context) => {
    const source = context.input(0);
    context.claim(source.dims);
    const values = source.values;
    if (values instanceof Float32Array) return [{ ...source, values: values.map(compute) }];
    return [
      constant(
        source.type,
        source.dims,
        values.map((value) => compute(plain(value, what))),
      ),
    ];
  };
}

/** A rule that rounds. It keeps a·N + b with integers a and b as it is. */
function rounding(compute: (value: number) => number): FoldRule {
  return (context) => {
    const source = context.input(0);
    context.claim(source.dims);
    return [
      constant(
        source.type,
        source.dims,
        scalarsOf(source).map((value) => (isWholeTerm(value) ? value : compute(plain(value, "rounds")))),
      ),
    ];
  };
}

function isWholeTerm(value: Scalar): boolean {
  return typeof value === "object" && Number.isInteger(value.times) && Number.isInteger(value.plus);
}

/** Rounds halves to even, as ONNX does. */
function roundEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

const modulo = numeric("takes the remainder of", (a, b, type) =>
  type === "float" || b === 0 ? a % b : a - b * Math.floor(a / b),
);

/** `fmod` is for floats, whose remainder has the sign of the dividend in any case. */
const remainder: FoldRule = (context) => {
  context.node.int("fmod", 0);
  return folding(modulo)(context);
};

const where: FoldRule = ({ node, input, claim }) => {
  const [condition, first, second] = [input(0), input(1), input(2)];
  const dims = claim(broadcastDims(node, [condition.dims, first.dims, second.dims]));
  const [fromCondition, fromFirst, fromSecond] = [condition, first, second].map((one) =>
    broadcastIndex(one.dims, dims),
  );
  const values = Array.from({ length: elementCount(dims) }, (_, index) =>
    plain(at(condition, fromCondition?.(index) ?? 0), "selects by") === 0
      ? at(second, fromSecond?.(index) ?? 0)
      : at(first, fromFirst?.(index) ?? 0),
  );
  return [constant(first.type, dims, values)];
};

/** The bounds are inputs; before opset 11 they are attributes. */
const clip: FoldRule = (context) => {
  const { node, optional } = context;
  const bound = (index: number, name: string, absent: number): number => {
    const given = optional(index);
    return given === undefined ? node.float(name, absent) : plain(at(given, 0), "clips by");
  };
  const [low, high] = [bound(1, "min", Number.NEGATIVE_INFINITY), bound(2, "max", Number.POSITIVE_INFINITY)];
  return mapping("clips", (value) => Math.min(high, Math.max(low, value)))(context);
};

export const elementwise: Readonly<Record<string, FoldRule>> = {
  Abs: mapping("takes the absolute value of", Math.abs),
  Add: folding(plus),
  And: folding(
    numeric("combines", (a, b) => Number(a !== 0 && b !== 0)),
    "boolean",
  ),
  Atan: mapping("takes the arctangent of", Math.atan),
  Ceil: rounding(Math.ceil),
  Clip: clip,
  Cos: mapping("takes the cosine of", Math.cos),
  Div: folding((a, b, type) => dividedBy(a, b, type === "integer")),
  Erf: mapping("takes the error function of", erf),
  Equal: folding((a, b) => Number(equal(a, b)), "boolean"),
  Exp: mapping("exponentiates", Math.exp),
  Floor: rounding(Math.floor),
  Greater: comparing((a, b) => a > b),
  GreaterOrEqual: comparing((a, b) => a >= b),
  Less: comparing((a, b) => a < b),
  LessOrEqual: comparing((a, b) => a <= b),
  Log: mapping("takes the logarithm of", Math.log),
  Max: folding(numeric("compares", (a, b) => Math.max(a, b))),
  Min: folding(numeric("compares", (a, b) => Math.min(a, b))),
  Mod: remainder,
  Mul: folding(times),
  Neg: mapping("negates", (value) => -value),
  Not: mapping("takes the logical inverse of", (value) => Number(value === 0)),
  Or: folding(
    numeric("combines", (a, b) => Number(a !== 0 || b !== 0)),
    "boolean",
  ),
  Pow: folding(numeric("takes a power of", (a, b, type) => (type === "integer" ? Math.trunc(a ** b) : a ** b))),
  Reciprocal: mapping("divides by", (value) => 1 / value),
  Relu: mapping("bounds", (value) => Math.max(0, value)),
  Round: rounding(roundEven),
  Sigmoid: mapping("takes the sigmoid of", (value) => 1 / (1 + Math.exp(-value))),
  Sign: mapping("takes the sign of", Math.sign),
  Sin: mapping("takes the sine of", Math.sin),
  Sqrt: mapping("takes the root of", Math.sqrt),
  Sub: folding(minus),
  Tan: mapping("takes the tangent of", Math.tan),
  Tanh: mapping("takes the hyperbolic tangent of", Math.tanh),
  Where: where,
};

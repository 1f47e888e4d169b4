/** Random nodes that work number by number, over the channels, or as matrix products. */
import type { Shape } from "../../src/core/tensor.ts";
import { maybe } from "./attributes.ts";
import type { Draft, Layer, Value } from "./draft.ts";

function unary(opType: string): Layer {
  return (draft, { name }) => draft.node(opType, [name]);
}

const clip: Layer = (draft, { name }) => {
  // Now and then the smaller bound is the larger one.
  const [min, max] = [draft.draw.normal(), draft.draw.normal() + 0.7];
  const [hasMin, hasMax] = [draft.draw.chance(0.7), draft.draw.chance(0.7)];
  if (draft.opset < 11) {
    return draft.node("Clip", [name], {
      ...(hasMin ? { min: { float: min } } : {}),
      ...(hasMax ? { max: { float: max } } : {}),
    });
  }
  return draft.node("Clip", [name, hasMin ? draft.tensor([min], []) : "", hasMax ? draft.tensor([max], []) : ""]);
};

const leakyRelu: Layer = (draft, { name }) =>
  draft.node("LeakyRelu", [name], maybe(draft, "alpha", { float: draft.draw.normal() / 4 }));

const hardSigmoid: Layer = (draft, { name }) =>
  draft.node("HardSigmoid", [name], {
    ...maybe(draft, "alpha", { float: draft.draw.normal() / 2 }),
    ...maybe(draft, "beta", { float: draft.draw.normal() / 2 }),
  });

/** The op, or the nodes that stand for it before opset 20, in one of the orders that exporters write them in. */
const gelu: Layer = (draft, { name }) => {
  const { draw } = draft;
  if (draft.opset >= 20) {
    return draft.node("Gelu", [name], maybe(draft, "approximate", draw.pick(["none", "tanh"])));
  }
  const number = (value: number): string => draft.tensor([value], draw.pick([[], [1]]));
  const either = (opType: string, a: string, b: string): string =>
    draft.node(opType, draw.chance(0.5) ? [a, b] : [b, a]);
  const scaled = draw.chance(0.5)
    ? draft.node("Div", [name, number(Math.SQRT2)])
    : either("Mul", name, number(Math.SQRT1_2));
  const raised = either("Add", draft.node("Erf", [scaled]), number(1));
  const half = number(0.5);
  return draw.pick([
    () => either("Mul", either("Mul", name, raised), half),
    () => either("Mul", either("Mul", name, half), raised),
    () => either("Mul", either("Mul", raised, half), name),
  ])();
};

/** Not next to nothing, where ONNX Runtime's sigmoid is zero and ours is not yet. */
function positive(draft: Draft, name: string): string {
  return draft.node("Sigmoid", [draft.node("Tanh", [name])]);
}

const pow: Layer = (draft, { name }) => {
  const exponent = draft.draw.pick([2, 3, 0.5, -1]);
  // Roots and inverses of positive numbers only.
  const base = exponent >= 2 ? name : positive(draft, name);
  return draft.node("Pow", [base, draft.tensor([exponent], draft.draw.pick([[], [1]]))]);
};

function ofPositive(opType: string): Layer {
  return (draft, { name }) => draft.node(opType, [positive(draft, name)]);
}

const selu: Layer = (draft, { name }) =>
  draft.node("Selu", [name], {
    ...maybe(draft, "alpha", { float: draft.draw.normal() }),
    ...maybe(draft, "gamma", { float: draft.draw.normal() }),
  });

function softmax(opType: string): Layer {
  return (draft, { name, shape }) => {
    const [lowest, highest] = [-shape.length, shape.length - 1];
    const axis = draft.draw.chance(0.4) ? 1 : draft.draw.between(lowest, highest);
    return draft.node(opType, [name], maybe(draft, "axis", axis));
  };
}

const dropout: Layer = (draft, { name }) => {
  if (draft.opset < 12) return draft.node("Dropout", [name], maybe(draft, "ratio", { float: 0.3 }));
  const training = draft.draw.chance(0.5) ? [draft.booleans([false], [])] : [];
  return draft.node("Dropout", [name, draft.tensor([0.3], []), ...training]);
};

/** `TensorProto.DataType`: half, double, brain floats, 64-bit integers, and floats as they are. */
const castTypes = [10, 11, 16, 7, 1];

/** There and back: what follows reads floats. */
const cast: Layer = (draft, { name }) => {
  const there = draft.node("Cast", [name], { to: draft.draw.pick(castTypes) });
  return draft.node("Cast", [there], { to: 1 });
};

/** Dims that broadcast with `shape`: some of its last axes, each whole or 1, more axes in front now and then. */
function broadcasting(draft: Draft, shape: Shape): Shape {
  const { draw } = draft;
  const [batch = 1, channels = 1, ...pixels] = shape;
  const perChannel = [channels, ...pixels.map(() => 1)];
  const whole = (size: number): number => (draw.chance(0.5) ? size : 1);
  const last = shape.slice(shape.length - draw.between(0, shape.length)).map(whole);
  return draw.pick([
    ...[[], [1], shape.length > 1 ? perChannel : [], shape.length > 1 ? [1, ...perChannel] : [1], last],
    ...[shape.map(whole), [whole(2), ...last], [batch, ...shape.slice(1).map(() => 1)]],
  ]);
}

/** With a constant on either side, with another value, or with itself. */
function binary(opType: string): Layer {
  return (draft, src) => {
    const { draw, values } = draft;
    if (draw.chance(0.55)) {
      const constant = draft.floats(broadcasting(draft, src.shape));
      const inputs = draw.chance(0.7) ? [src.name, constant] : [constant, src.name];
      return draft.node(opType, inputs);
    }
    const fitting = values.filter((other) => fits(other.shape, src.shape));
    // A quotient of values is somewhere next to nothing.
    const other = opType === "Div" ? positive(draft, draw.pick(fitting).name) : draw.pick(fitting).name;
    return draft.node(opType, [src.name, other]);
  };
}

function fits(a: Shape, b: Shape): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  const last = long.slice(long.length - short.length);
  return short.every((size, axis) => size === last[axis] || size === 1 || last[axis] === 1);
}

const batchNormalization: Layer = (draft, { name, shape }) => {
  const channels = shape[1] ?? 1;
  if (shape.length < 2) return undefined;
  const [scale, shift, mean] = [0, 0, 0].map(() => draft.weights([channels], 0));
  return draft.node(
    "BatchNormalization",
    [name, scale ?? "", shift ?? "", mean ?? "", draft.positive([channels])],
    maybe(draft, "epsilon", { float: 10 ** -draft.draw.between(2, 6) }),
  );
};

const gemm: Layer = (draft, { name, shape }) => {
  const { draw } = draft;
  if (shape.length !== 2) return undefined;
  const features = shape[1] ?? 1;
  const outputs = draw.between(1, 6);
  const isTransposed = draw.chance(0.6);
  const weights = draft.weights(isTransposed ? [outputs, features] : [features, outputs], isTransposed ? 0 : 1);
  const dims = draw.pick([[outputs], [outputs], [1, outputs], [1], [], [shape[0] ?? 1, 1], [1, 1]]);
  const bias = draft.opset < 11 || draw.chance(0.7) ? [draft.floats(dims)] : [];
  return draft.node("Gemm", [name, weights, ...bias], {
    ...(isTransposed ? { transB: 1 } : maybe(draft, "transB", 0)),
    ...(draw.chance(0.2) ? { alpha: { float: draw.normal() } } : {}),
    ...(draw.chance(0.2) ? { beta: { float: draw.normal() } } : {}),
    ...(draw.chance(0.1) ? { transA: draw.between(0, 1) } : {}),
  });
};

const matMul: Layer = (draft, { name, shape, ...rest }) => {
  const { draw } = draft;
  const features = shape.at(-1) ?? 1;
  const outputs = draw.between(1, 5);
  if (draw.chance(0.1)) return onTheLeft(draft, { name, shape, ...rest });
  const dims = draw.chance(0.8) ? [features, outputs] : draw.pick([[features], [1, features, outputs]]);
  const product = draft.node("MatMul", [name, draft.weights(dims, dims.length - 1)]);
  if (draw.chance(0.5)) return product;
  const bias = draft.floats(draw.pick([[outputs], [outputs], [1], [1, outputs], []]));
  return draft.node("Add", draw.chance(0.5) ? [product, bias] : [bias, product]);
};

function onTheLeft(draft: Draft, { name, shape }: Value): string {
  const rows = shape.at(-2) ?? 1;
  return draft.node("MatMul", [draft.floats([draft.draw.between(1, 4), rows]), name]);
}

export const pointwise: Readonly<Record<string, Layer>> = {
  Relu: unary("Relu"),
  Sigmoid: unary("Sigmoid"),
  Tanh: unary("Tanh"),
  HardSwish: unary("HardSwish"),
  Gelu: gelu,
  Identity: unary("Identity"),
  Clip: clip,
  LeakyRelu: leakyRelu,
  HardSigmoid: hardSigmoid,
  Abs: unary("Abs"),
  Celu: (draft, { name }) => (draft.opset < 12 ? undefined : draft.node("Celu", [name])),
  Elu: unary("Elu"),
  Erf: (draft, { name }) => (draft.opset < 9 ? undefined : draft.node("Erf", [name])),
  Exp: (draft, { name }) => draft.node("Exp", [draft.node("Tanh", [name])]),
  Log: ofPositive("Log"),
  Neg: unary("Neg"),
  Pow: pow,
  Reciprocal: ofPositive("Reciprocal"),
  Selu: selu,
  Softplus: unary("Softplus"),
  Softsign: unary("Softsign"),
  Sqrt: ofPositive("Sqrt"),
  Softmax: softmax("Softmax"),
  LogSoftmax: softmax("LogSoftmax"),
  Dropout: dropout,
  Cast: cast,
  Add: binary("Add"),
  Sub: binary("Sub"),
  Mul: binary("Mul"),
  Div: binary("Div"),
  BatchNormalization: batchNormalization,
  Gemm: gemm,
  MatMul: matMul,
};

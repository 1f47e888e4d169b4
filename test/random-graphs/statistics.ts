/** Random nodes that combine several values, compute one number of many, or normalise by numbers of their own image. */
import type { Shape } from "../../src/core/tensor.ts";
import { maybe } from "./attributes.ts";
import type { Draft, Layer } from "./draft.ts";

/** Of one to three operands: values of the same shape, and a constant now and then. */
function variadic(opType: string): Layer {
  return (draft, { name, shape }) => {
    const { draw, values } = draft;
    if (draft.opset < 8) return undefined;
    const fitting = values.filter((other) => other.shape.join() === shape.join());
    const others = Array.from({ length: draw.between(0, 2) }, () => {
      if (draw.chance(0.6)) return draw.pick(fitting).name;
      const [, channels = 1, ...pixels] = shape;
      const perChannel = shape.length > 1 ? [channels, ...pixels.map(() => 1)] : [];
      return draft.floats(draw.pick([[], perChannel, shape.slice(1)]));
    });
    return draft.node(opType, [name, ...others]);
  };
}

const where: Layer = (draft, { name, shape }) => {
  const { draw } = draft;
  if (draft.opset < 9) return undefined;
  const [, ...features] = shape;
  const dims = features.map((size) => (draw.chance(0.6) ? size : 1));
  const count = dims.reduce((product, size) => product * size, 1);
  const asks = draft.booleans(
    Array.from({ length: count }, () => draw.chance(0.5)),
    dims,
  );
  const other = draw.pick([draft.tensor([draw.normal()], []), draft.floats(dims), draft.node("Neg", [name])]);
  return draft.node("Where", draw.chance(0.5) ? [asks, name, other] : [asks, other, name]);
};

function axesOf(draft: Draft, shape: Shape): readonly number[] {
  const { draw } = draft;
  // The batch is asked for now and then.
  const from = draw.chance(0.05) ? 0 : 1;
  const axes = shape.map((_, axis) => axis).filter((axis) => axis >= from && draw.chance(0.5));
  return axes.map((axis) => (draw.chance(0.3) ? axis - shape.length : axis));
}

function reduction(opType: string): Layer {
  return (draft, { name, shape }) => {
    const axes = axesOf(draft, shape);
    if (axes.length === 0) return undefined;
    const keeps = maybe(draft, "keepdims", draft.draw.between(0, 1));
    const isInput = draft.opset >= (opType === "ReduceSum" ? 13 : 18);
    if (isInput) return draft.node(opType, [name, draft.integers(axes)], keeps);
    return draft.opset < 11 && axes.some((axis) => axis < 0)
      ? undefined
      : draft.node(opType, [name], { ...keeps, axes: [...axes] });
  };
}

function epsilon(draft: Draft): ReturnType<typeof maybe> {
  return maybe(draft, "epsilon", { float: 10 ** -draft.draw.between(2, 4) });
}

/** Numbers of a scale, or ones. */
function scaleOf(draft: Draft, dims: Shape): string {
  if (draft.draw.chance(0.7)) return draft.floats(dims);
  const count = dims.reduce((product, size) => product * size, 1);
  return draft.tensor(new Array<number>(count).fill(1), dims);
}

const instanceNormalization: Layer = (draft, { name, shape }) => {
  const [, channels = 1, ...pixels] = shape;
  if (pixels.length === 0) return undefined;
  return draft.node(
    "InstanceNormalization",
    [name, scaleOf(draft, [channels]), draft.floats([channels])],
    epsilon(draft),
  );
};

const layerNormalization: Layer = (draft, { name, shape }) => {
  if (draft.opset < 17 || shape.length < 2) return undefined;
  const axis = draft.draw.between(1, shape.length - 1);
  const dims = shape.slice(axis);
  const shift = draft.draw.chance(0.7) ? [draft.floats(dims)] : [];
  return draft.node("LayerNormalization", [name, scaleOf(draft, dims), ...shift], { ...epsilon(draft), axis });
};

/** As PyTorch writes it before there is an op. */
const groupNormalization: Layer = (draft, { name, shape }) => {
  const { draw } = draft;
  const [, channels = 1, ...pixels] = shape;
  if (pixels.length === 0) return undefined;
  const groups = draw.pick([1, 2, 3, 4].filter((count) => channels % count === 0));
  if (draft.opset >= 21 && draw.chance(0.5)) {
    return draft.node("GroupNormalization", [name, scaleOf(draft, [channels]), draft.floats([channels])], {
      ...epsilon(draft),
      num_groups: groups,
    });
  }
  const seen = draft.node("Reshape", [name, draft.integers([0, groups, -1])]);
  const none = draft.tensor(new Array<number>(groups).fill(0), [groups]);
  const ones = draft.tensor(new Array<number>(groups).fill(1), [groups]);
  const normal = draft.node("InstanceNormalization", [seen, ones, none], epsilon(draft));
  const back = draft.node("Reshape", [normal, draft.integers([0, ...shape.slice(1)])]);
  const perChannel = [channels, ...pixels.map(() => 1)];
  return draft.node("Add", [draft.node("Mul", [back, draft.floats(perChannel)]), draft.floats(perChannel)]);
};

/** A layer norm over some axis in small ops. */
const writtenOut: Layer = (draft, { name, shape }) => {
  const { draw } = draft;
  if (shape.length < 2 || draft.opset >= 18) return undefined;
  const axes = [draw.between(1, shape.length - 1)];
  const mean = draft.node("ReduceMean", [name], { axes });
  const centred = draft.node("Sub", [name, mean]);
  const squares = draw.chance(0.5)
    ? draft.node("Mul", [centred, centred])
    : draft.node("Pow", [centred, draft.tensor([2], [])]);
  const raised = draft.node("Add", [draft.node("ReduceMean", [squares], { axes }), draft.tensor([1e-3], [])]);
  return draft.node("Div", [centred, draft.node("Sqrt", [raised])]);
};

const localResponse: Layer = (draft, { name, shape }) => {
  // ONNX Runtime normalises images only.
  if (shape.length !== 4) return undefined;
  return draft.node("LRN", [name], {
    size: draft.draw.pick([1, 3, 5]),
    ...maybe(draft, "alpha", { float: 0.7 }),
    ...maybe(draft, "beta", { float: 0.6 }),
    ...maybe(draft, "bias", { float: 1.3 }),
  });
};

const lpNormalization: Layer = (draft, { name, shape }) => {
  if (shape.length < 2) return undefined;
  const axis = draft.draw.between(1, shape.length - 1);
  return draft.node("LpNormalization", [name], { axis, ...maybe(draft, "p", draft.draw.between(1, 2)) });
};

const prelu: Layer = (draft, { name, shape }) => {
  if (draft.opset < 9) return undefined;
  const [, channels = 1, ...pixels] = shape;
  const perChannel = [channels, ...pixels.map(() => 1)];
  return draft.node("PRelu", [name, draft.floats(draft.draw.chance(0.7) && shape.length > 1 ? perChannel : [1])]);
};

export const statistics: Readonly<Record<string, Layer>> = {
  Max: variadic("Max"),
  Min: variadic("Min"),
  Sum: variadic("Sum"),
  Mean: variadic("Mean"),
  Where: where,
  ...Object.fromEntries(
    ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"].map((opType) => [
      opType,
      reduction(opType),
    ]),
  ),
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  GroupNormalization: groupNormalization,
  "a norm in small ops": writtenOut,
  LRN: localResponse,
  LpNormalization: lpNormalization,
  PRelu: prelu,
};

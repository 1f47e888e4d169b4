/**
 * Random nodes that depend on constants and shapes alone, which a reader computes: one function for each of their
 * kinds.
 */
import { elementCount, type Shape } from "../../src/core/tensor.ts";
import { maybe } from "./attributes.ts";
import type { Draft, Value } from "./draft.ts";

export type ConstantType = "float" | "integer" | "boolean";

export interface ConstantValue extends Value {
  readonly type: ConstantType;
}

/** Adds nodes that read some of `known`, and the shape of an activation; returns the name of what they make. */
export type Arithmetic = (draft: Draft, known: readonly ConstantValue[], activation: Value) => string | undefined;

function one(draft: Draft, known: readonly ConstantValue[], types: readonly ConstantType[]): ConstantValue | undefined {
  const fitting = known.filter(({ type }) => types.includes(type));
  return fitting.length === 0 ? undefined : draft.draw.pick(fitting);
}

/** Of one type; ONNX Runtime tells whether their dims fit. */
function elementwise(opType: string, count: number, types: readonly ConstantType[]): Arithmetic {
  return (draft, known) => {
    const first = one(draft, known, types);
    if (first === undefined) return undefined;
    const others = Array.from({ length: count - 1 }, () => one(draft, known, [first.type]) ?? first);
    return draft.node(
      opType,
      [first, ...others].map(({ name }) => name),
    );
  };
}

const numbers: readonly ConstantType[] = ["float", "integer"];
const all: readonly ConstantType[] = ["float", "integer", "boolean"];

const where: Arithmetic = (draft, known) => {
  const condition = one(draft, known, ["boolean"]);
  const first = one(draft, known, numbers);
  const second = first === undefined ? undefined : one(draft, known, [first.type]);
  if (condition === undefined || first === undefined || second === undefined) return undefined;
  return draft.node("Where", [condition.name, first.name, second.name]);
};

const cast: Arithmetic = (draft, known) => {
  const src = one(draft, known, all);
  return src === undefined ? undefined : draft.node("Cast", [src.name], { to: draft.draw.pick([1, 7, 9, 6, 10, 11]) });
};

const castLike: Arithmetic = (draft, known) => {
  const [src, like] = [one(draft, known, all), one(draft, known, all)];
  return src === undefined || like === undefined ? undefined : draft.node("CastLike", [src.name, like.name]);
};

/** A node of one source, made from its dims. */
function moving(add: (draft: Draft, name: string, dims: Shape) => string | undefined): Arithmetic {
  return (draft, known) => {
    const src = one(draft, known, all);
    return src === undefined ? undefined : add(draft, src.name, src.shape);
  };
}

const gather = moving((draft, name, dims) => {
  const { draw } = draft;
  if (dims.length === 0) return undefined;
  const axis = draw.between(0, dims.length - 1);
  const size = dims[axis] ?? 1;
  const shape = draw.pick([[], [1], [2], [2, 2]]);
  const indices = Array.from({ length: elementCount(shape) }, () => draw.between(-size, size - 1));
  return draft.node("Gather", [name, draft.integers(indices, shape)], { axis });
});

const concat: Arithmetic = (draft, known) => {
  const first = one(draft, known, all);
  if (first === undefined || first.shape.length === 0) return undefined;
  const axis = draft.draw.between(-first.shape.length, first.shape.length - 1);
  const at = axis < 0 ? axis + first.shape.length : axis;
  const fitting = known.filter(
    ({ shape, type }) =>
      type === first.type &&
      shape.length === first.shape.length &&
      shape.every((size, each) => each === at || size === first.shape[each]),
  );
  return draft.node("Concat", [first.name, draft.draw.pick(fitting).name], { axis });
};

const expand = moving((draft, name, dims) => {
  const asked = dims.map((size) => (size === 1 ? draft.draw.between(1, 3) : draft.draw.pick([1, size])));
  return draft.node("Expand", [name, draft.integers(draft.draw.chance(0.3) ? [2, ...asked] : asked)]);
});

const flatten = moving((draft, name, dims) =>
  draft.node("Flatten", [name], { axis: draft.draw.between(-dims.length, dims.length) }),
);

const reshape = moving((draft, name, dims) => {
  const count = elementCount(dims);
  const half = count % 2 === 0 ? [2, count / 2] : [count, 1];
  const asked = draft.draw.pick([[-1], [count], half, [1, -1], [half[0] ?? 1, -1], dims.length > 0 ? [0, -1] : [-1]]);
  return draft.node("Reshape", [name, draft.integers(asked)]);
});

const slice = moving((draft, name, dims) => {
  const { draw } = draft;
  if (dims.length === 0 || draft.opset < 10) return undefined;
  const axes = draw.shuffled(dims.map((_, axis) => axis)).slice(0, draw.between(1, dims.length));
  const bound = (axis: number): number => draw.between(-(dims[axis] ?? 1) - 1, (dims[axis] ?? 1) + 1);
  const inputs = [axes.map(bound), axes.map(bound), axes, axes.map(() => draw.pick([1, 1, 2, -1, -2]))];
  return draft.node("Slice", [name, ...inputs.map((each) => draft.integers(each))]);
});

const split = moving((draft, name, dims) => {
  if (dims.length === 0) return undefined;
  const axis = draft.draw.between(0, dims.length - 1);
  const made = draft.node("Split", [name], { axis, ...(draft.opset >= 18 ? { num_outputs: 2 } : {}) }, 2);
  return draft.draw.chance(0.5) ? made : `${made}.1`;
});

function withAxes(opType: string, choose: (draft: Draft, dims: Shape) => number[]): Arithmetic {
  return moving((draft, name, dims) => {
    const axes = choose(draft, dims);
    const isInput = draft.opset >= (opType === "ReduceProd" ? 18 : 13);
    const keeps = opType === "ReduceProd" ? maybe(draft, "keepdims", draft.draw.between(0, 1)) : {};
    if (isInput) return draft.node(opType, [name, draft.integers(axes)], keeps);
    return draft.node(opType, [name], { ...(axes.length === 0 ? {} : { axes }), ...keeps });
  });
}

const tile = moving((draft, name, dims) =>
  draft.node("Tile", [name, draft.integers(dims.map(() => draft.draw.between(1, 2)))]),
);

const transpose = moving((draft, name, dims) =>
  draft.node("Transpose", [name], {
    perm: draft.draw.chance(0.7) ? draft.draw.shuffled(dims.map((_, axis) => axis)) : undefined,
  }),
);

const constantOfShape: Arithmetic = (draft) => {
  const dims = draft.integers([draft.draw.between(1, 3), draft.draw.between(1, 3)]);
  return draft.node("ConstantOfShape", [dims]);
};

const range: Arithmetic = (draft) => {
  const [start, count, delta] = [draft.draw.between(-3, 3), draft.draw.between(1, 6), draft.draw.pick([1, 2, -1])];
  const bounds = [start, start + count * delta, delta].map((bound) => draft.integers([bound], []));
  return draft.node("Range", bounds);
};

const ofActivation =
  (opType: string): Arithmetic =>
  (draft, _, { name }) =>
    draft.node(
      opType,
      [name],
      opType === "Shape" && draft.opset >= 15 ? maybe(draft, "start", draft.draw.between(-2, 2)) : {},
    );

const someAxes = ({ draw }: Draft, dims: Shape): number[] => dims.map((_, axis) => axis).filter(() => draw.chance(0.5));

const elementwiseOps: readonly (readonly [opType: string, inputs: number, types: readonly ConstantType[]])[] = [
  ...["Add", "Sub", "Mul", "Div", "Pow", "Mod"].map((opType) => [opType, 2, numbers] as const),
  ...["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"].map((opType) => [opType, 2, numbers] as const),
  ...["Abs", "Neg", "Sign"].map((opType) => [opType, 1, numbers] as const),
  ...["Ceil", "Floor", "Round", "Exp", "Log", "Sqrt", "Reciprocal"].map((opType) => [opType, 1, ["float"]] as const),
  ...["And", "Or"].map((opType) => [opType, 2, ["boolean"]] as const),
  ...["Min", "Max"].map((opType) => [opType, 3, numbers] as const),
  ["Not", 1, ["boolean"]],
  ["Identity", 1, all],
];

export const constants: Readonly<Record<string, Arithmetic>> = {
  ...Object.fromEntries(elementwiseOps.map(([opType, count, types]) => [opType, elementwise(opType, count, types)])),
  Where: where,
  Cast: cast,
  CastLike: castLike,
  Gather: gather,
  Concat: concat,
  Expand: expand,
  Flatten: flatten,
  Reshape: reshape,
  Slice: slice,
  Split: split,
  ReduceProd: withAxes("ReduceProd", someAxes),
  Squeeze: withAxes("Squeeze", (_, dims) => dims.flatMap((size, axis) => (size === 1 ? [axis] : []))),
  Unsqueeze: withAxes("Unsqueeze", ({ draw }, dims) => [draw.between(0, dims.length)]),
  Tile: tile,
  Transpose: transpose,
  ConstantOfShape: constantOfShape,
  Range: range,
  Shape: ofActivation("Shape"),
  Size: ofActivation("Size"),
};

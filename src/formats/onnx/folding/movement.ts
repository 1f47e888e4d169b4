/** Folds ops that create, reshape, move and gather constants. */
import { elementCount, rowMajorStrides, type Shape } from "../../../core/tensor.ts";
import { roundToBfloat16, roundToHalf } from "../../short-floats.ts";
import type { NodeReader } from "../node-reader.ts";
import { broadcastDims, broadcastIndex } from "./broadcast.ts";
import {
  at,
  type Constant,
  type ConstantType,
  constant,
  rearranged,
  scalarConstant,
  scalarsOf,
  vector,
} from "./constant.ts";
import type { FoldContext, FoldRule } from "./rule.ts";
import { plain, type Scalar, times } from "./scalar.ts";

/** `axis` as an index from the front. Throws if it is out of range. */
export function frontAxis(node: NodeReader, axis: number, rank: number): number {
  node.check(axis >= -rank && axis < rank, `axis ${axis} is out of range for rank ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

/**
 * The axes of the node: input `index` in newer opsets, the attribute "axes" in older ones; undefined if the node names
 * none.
 */
function axesOf({ node, optional, integers }: FoldContext, index: number): readonly number[] | undefined {
  if (optional(index) !== undefined) return integers(index);
  return node.has("axes") ? node.ints("axes") : undefined;
}

const constantNode: FoldRule = ({ node, attributeTensor }) => {
  const held = attributeTensor("value");
  if (held !== undefined) return [held];
  if (node.has("value_float")) return [scalarConstant("float", node.float("value_float", 0))];
  if (node.has("value_int")) return [scalarConstant("integer", node.int("value_int"))];
  if (node.has("value_floats")) return [vector("float", node.floats("value_floats"))];
  return [vector("integer", node.ints("value_ints"))];
};

const constantOfShape: FoldRule = ({ integers, claim, attributeTensor }) => {
  const dims = claim(integers(0));
  const { type, values } = attributeTensor("value") ?? scalarConstant("float", 0);
  return [constant(type, dims, new Array<Scalar>(elementCount(dims)).fill(values[0] ?? 0))];
};

const range: FoldRule = ({ node, input, claim }) => {
  node.int("stash_type", 1);
  const [start = 0, limit = 0, delta = 1] = [0, 1, 2].map((index) =>
    plain(at(input(index), 0), "counts from, to or by"),
  );
  const [count = 0] = claim([Math.max(Math.ceil((limit - start) / delta), 0)]);
  return [
    vector(
      input(0).type,
      Array.from({ length: count }, (_, index) => start + index * delta),
    ),
  ];
};

const shape: FoldRule = ({ node, extents }) => {
  const dims = extents(0);
  return [vector("integer", dims.slice(node.int("start", 0), node.int("end", dims.length)))];
};

const size: FoldRule = ({ extents }) => [scalarConstant("integer", extents(0).reduce(times, 1))];

/** Values of `TensorProto.DataType` that become floats. */
const floatTypes: ReadonlySet<number> = new Set([1, 11]);
/** How a number is rounded to a 16-bit float type. */
const roundings: ReadonlyMap<number, (value: number) => number> = new Map([
  [10, roundToHalf],
  [16, roundToBfloat16],
]);
const booleanType = 9;

const cast: FoldRule = ({ node, input }) => {
  const source = input(0);
  const to = node.int("to");
  node.int("saturate", 1);
  node.string("round_mode", "up");
  const rounded = roundings.get(to);
  if (rounded !== undefined)
    return [
      constant(
        "float",
        source.dims,
        scalarsOf(source).map((value) => rounded(plain(value, "rounds"))),
      ),
    ];
  return [converted(source, floatTypes.has(to) ? "float" : to === booleanType ? "boolean" : "integer")];
};

/** `source` in another type, cast as ONNX does. */
function converted(source: Constant, type: ConstantType): Constant {
  if (type === "float") return constant(type, source.dims, source.values);
  const number = type === "boolean" ? (value: Scalar) => Number(plain(value, "casts") !== 0) : whole;
  return constant(type, source.dims, scalarsOf(source).map(number));
}

function whole(value: Scalar): Scalar {
  return typeof value === "number" ? Math.trunc(value) : value;
}

const castLike: FoldRule = ({ node, input }) => {
  const [source, { type }] = [input(0), input(1)];
  node.int("saturate", 1);
  return [converted(source, type)];
};

const gather: FoldRule = ({ node, input, claim }) => {
  const [source, indices] = [input(0), input(1)];
  const axis = frontAxis(node, node.int("axis", 0), source.dims.length);
  const extent = source.dims[axis] ?? 1;
  const inner = elementCount(source.dims.slice(axis + 1));
  const picked = scalarsOf(indices).map((index) => {
    const asked = plain(index, "indexes by");
    const position = asked < 0 ? asked + extent : asked;
    node.check(position >= 0 && position < extent, `index ${asked} is out of range for size ${extent}`);
    return position;
  });
  const dims = claim([...source.dims.slice(0, axis), ...indices.dims, ...source.dims.slice(axis + 1)]);
  return [
    rearranged(source, dims, (index) => {
      const block = Math.floor(index / inner);
      const outer = Math.floor(block / picked.length);
      return (outer * extent + (picked[block % picked.length] ?? 0)) * inner + (index % inner);
    }),
  ];
};

const concat: FoldRule = ({ node, input, claim }) => {
  const sources = node.inputs.map((_, index) => input(index));
  const [first] = sources;
  if (first === undefined) throw node.unsupported("has no input");
  const axis = frontAxis(node, node.int("axis"), first.dims.length);
  for (const { dims } of sources) {
    node.check(
      dims.length === first.dims.length && dims.every((extent, one) => one === axis || extent === first.dims[one]),
      "concatenates constants whose dims differ",
    );
  }
  const total = sources.reduce((sum, { dims }) => sum + (dims[axis] ?? 0), 0);
  const dims = claim(first.dims.with(axis, total));
  const outer = elementCount(first.dims.slice(0, axis));
  const values: Scalar[] = [];
  for (let block = 0; block < outer; block++) {
    for (const source of sources) {
      const run = elementCount(source.dims.slice(axis));
      for (let index = 0; index < run; index++) values.push(at(source, block * run + index));
    }
  }
  return [constant(first.type, dims, values)];
};

/**
 * A bound within `low` … `high`: ONNX counts negative bounds from the end and clamps bounds that lie outside. With a
 * negative step, −1 means "before the first element".
 */
function clamped(bound: number, extent: number, low: number, high: number): number {
  return Math.min(Math.max(bound < 0 ? bound + extent : bound, low), high);
}

const slice: FoldRule = (context) => {
  const { node, input, integers, optional, claim } = context;
  const source = input(0);
  const fromAttributes = node.has("starts");
  const starts = fromAttributes ? node.ints("starts") : integers(1);
  const ends = fromAttributes ? node.ints("ends") : integers(2);
  const axes = axesOf(context, 3) ?? starts.map((_, axis) => axis);
  const steps = optional(4) === undefined ? starts.map(() => 1) : integers(4);
  const whole = source.dims.map((extent) => ({ start: 0, step: 1, count: extent }));
  for (const [index, named] of axes.entries()) {
    const axis = frontAxis(node, named, source.dims.length);
    const [extent = 0, step = 1] = [source.dims[axis], steps[index]];
    node.check(step !== 0, "has a step of 0");
    const [low, high] = step > 0 ? [0, extent] : [-1, extent - 1];
    const start = clamped(starts[index] ?? 0, extent, Math.max(low, 0), high);
    const end = clamped(ends[index] ?? extent, extent, low, high);
    whole[axis] = { start, step, count: Math.max(Math.ceil((end - start) / step), 0) };
  }
  const dims = claim(whole.map(({ count }) => count));
  const [sourceStrides, strides] = [rowMajorStrides(source.dims), rowMajorStrides(dims)];
  return [
    rearranged(source, dims, (index) =>
      whole.reduce((offset, { start, step }, axis) => {
        const position = Math.floor(index / (strides[axis] ?? 1)) % Math.max(dims[axis] ?? 1, 1);
        return offset + (start + position * step) * (sourceStrides[axis] ?? 1);
      }, 0),
    ),
  ];
};

function withDims(source: Constant, dims: Shape, node: NodeReader): readonly Constant[] {
  const count = elementCount(source.dims);
  node.check(
    elementCount(dims) === count && dims.every((extent) => extent >= 0),
    "does not keep the number of values",
    `${count}`,
    `[${dims.join()}]`,
  );
  return [{ ...source, dims }];
}

const reshape: FoldRule = ({ node, input, integers }) => {
  const source = input(0);
  const copiesZero = node.int("allowzero", 0) === 0;
  const asked = (node.has("shape") ? node.ints("shape") : integers(1)).map((extent, axis) =>
    extent === 0 && copiesZero ? (source.dims[axis] ?? 0) : extent,
  );
  const known = elementCount(asked.filter((extent) => extent !== -1));
  const open = known === 0 ? 0 : elementCount(source.dims) / known;
  return withDims(
    source,
    asked.map((extent) => (extent === -1 ? open : extent)),
    node,
  );
};

const flatten: FoldRule = ({ node, input }) => {
  const source = input(0);
  const axis = node.int("axis", 1);
  const split = axis < 0 ? axis + source.dims.length : axis;
  return withDims(source, [elementCount(source.dims.slice(0, split)), elementCount(source.dims.slice(split))], node);
};

const squeeze: FoldRule = (context) => {
  const source = context.input(0);
  const axes = axesOf(context, 1)?.map((axis) => frontAxis(context.node, axis, source.dims.length));
  const kept = source.dims.filter((extent, axis) => (axes === undefined ? extent !== 1 : !axes.includes(axis)));
  return withDims(source, kept, context.node);
};

const unsqueeze: FoldRule = (context) => {
  const source = context.input(0);
  const axes = axesOf(context, 1) ?? [];
  const rank = source.dims.length + axes.length;
  const added = new Set(axes.map((axis) => frontAxis(context.node, axis, rank)));
  const rest = source.dims[Symbol.iterator]();
  const dims = Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (rest.next().value ?? 1)));
  return withDims(source, dims, context.node);
};

const triangle: FoldRule = ({ node, input, optional, claim }) => {
  const source = input(0);
  const [rows = 0, columns = 0] = source.dims.slice(-2);
  node.check(source.dims.length >= 2, "takes a triangle of a value without rows", "2 axes", `${source.dims.length}`);
  const [diagonal = 0] = optional(1)?.values ?? [];
  const distance = plain(diagonal, "takes a triangle by");
  const isUpper = node.int("upper", 1) === 1;
  const kept = (index: number): boolean => {
    const along = (index % columns) - (Math.floor(index / columns) % rows);
    return isUpper ? along >= distance : along <= distance;
  };
  const values = scalarsOf(source).map((value, index) => (kept(index) ? value : 0));
  return [constant(source.type, claim(source.dims), values)];
};

const transpose: FoldRule = ({ node, input, claim }) => {
  const source = input(0);
  const rank = source.dims.length;
  const order = node.permutation(rank);
  node.check(order.length === rank && new Set(order).size === rank, "perm does not name every axis exactly once");
  const dims = claim(order.map((axis) => source.dims[axis] ?? 1));
  const strides = rowMajorStrides(source.dims);
  const moved = order.map((axis) => strides[axis] ?? 1);
  const own = rowMajorStrides(dims);
  return [
    rearranged(source, dims, (index) => {
      let [offset, rest] = [0, index];
      for (let axis = 0; axis < rank; axis++) {
        const position = Math.floor(rest / (own[axis] ?? 1));
        rest -= position * (own[axis] ?? 1);
        offset += position * (moved[axis] ?? 1);
      }
      return offset;
    }),
  ];
};

const expand: FoldRule = ({ node, input, integers, claim }) => {
  const source = input(0);
  const dims = claim(broadcastDims(node, [source.dims, integers(1)]));
  return [rearranged(source, dims, broadcastIndex(source.dims, dims))];
};

const tile: FoldRule = ({ node, input, integers, claim }) => {
  const source = input(0);
  const repeats = integers(1);
  node.check(repeats.length === source.dims.length, "repeats must be one number for each axis");
  const dims = claim(source.dims.map((extent, axis) => extent * (repeats[axis] ?? 1)));
  const [sourceStrides, strides] = [rowMajorStrides(source.dims), rowMajorStrides(dims)];
  return [
    rearranged(source, dims, (index) =>
      strides.reduce(
        (offset, stride, axis) =>
          offset +
          ((Math.floor(index / stride) % (dims[axis] ?? 1)) % (source.dims[axis] ?? 1)) * (sourceStrides[axis] ?? 1),
        0,
      ),
    ),
  ];
};

const split: FoldRule = ({ node, input, optional, integers, claim }) => {
  const source = input(0);
  const axis = frontAxis(node, node.int("axis", 0), source.dims.length);
  const extent = source.dims[axis] ?? 0;
  const parts = node.int("num_outputs", node.outputs.length);
  const even = Math.ceil(extent / parts);
  const asked = node.has("split") ? node.ints("split") : optional(1) === undefined ? undefined : integers(1);
  const sizes = asked ?? Array.from({ length: parts }, (_, part) => Math.max(Math.min(even, extent - part * even), 0));
  node.check(
    sizes.every((one) => one >= 0) && sizes.reduce((sum, one) => sum + one, 0) === extent,
    `the sizes of its parts do not add up to ${extent}`,
  );
  const inner = elementCount(source.dims.slice(axis + 1));
  let begin = 0;
  return sizes.map((count) => {
    const start = begin;
    begin += count;
    return rearranged(source, claim(source.dims.with(axis, count)), (index) => {
      const block = Math.floor(index / inner);
      return (Math.floor(block / count) * extent + start + (block % count)) * inner + (index % inner);
    });
  });
};

/**
 * A rule that reduces over all axes or some. Exporters count the elements of shapes with it. `finish` makes the result
 * of what `count` elements are together; default: it is that.
 */
export function reduction(
  combine: (a: Scalar, b: Scalar) => Scalar,
  first: Scalar,
  finish: (all: Scalar, count: number) => Scalar = (all) => all,
): FoldRule {
  return (context) => {
    const { node, input, claim } = context;
    const source = input(0);
    const rank = source.dims.length;
    const named = axesOf(context, 1)?.map((axis) => frontAxis(node, axis, rank));
    const nothing = named?.length === 0 && node.int("noop_with_empty_axes", 0) === 1;
    node.int("noop_with_empty_axes", 0);
    const axes = new Set(named === undefined || (named.length === 0 && !nothing) ? source.dims.keys() : named);
    const kept = claim(source.dims.map((extent, axis) => (axes.has(axis) ? 1 : extent)));
    const to = broadcastIndex(kept, source.dims);
    const values = new Array<Scalar>(elementCount(kept)).fill(first);
    for (const [index, value] of scalarsOf(source).entries()) {
      const target = to(index);
      values[target] = combine(values[target] ?? first, value);
    }
    const keeps = node.int("keepdims", 1) === 1;
    const count = elementCount(source.dims) / elementCount(kept);
    const finished = values.map((value) => finish(value, count));
    return [constant(source.type, keeps ? kept : kept.filter((_, axis) => !axes.has(axis)), finished)];
  };
}

/** Returns the input. The second output of Dropout, its mask, has no reader. */
const same: FoldRule = ({ input }) => [input(0)];

export const creation: Readonly<Record<string, FoldRule>> = {
  Constant: constantNode,
  ConstantOfShape: constantOfShape,
  Range: range,
  Shape: shape,
  Size: size,
};

export const movement: Readonly<Record<string, FoldRule>> = {
  Cast: cast,
  CastLike: castLike,
  Concat: concat,
  Expand: expand,
  Flatten: flatten,
  Gather: gather,
  Identity: same,
  ReduceProd: reduction(times, 1),
  Reshape: reshape,
  Slice: slice,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Trilu: triangle,
  Unsqueeze: unsqueeze,
};

/** Random nodes that move numbers or give them other dims. */
import { elementCount, type Shape } from "../../src/core/tensor.ts";
import { maybe } from "./attributes.ts";
import type { Draft, Layer } from "./draft.ts";

const flatten: Layer = (draft, { name, shape }) =>
  draft.node(
    "Flatten",
    [name],
    maybe(draft, "axis", draft.draw.between(draft.opset < 11 ? 0 : -shape.length, shape.length)),
  );

/** Factors of `count`, in a random number of axes. */
function factorised(draft: Draft, count: number): number[] {
  const dims: number[] = [];
  let left = count;
  while (left > 1 && dims.length < 3) {
    const divisors = Array.from({ length: left }, (_, index) => index + 1).filter((one) => left % one === 0);
    const size = draft.draw.pick(divisors);
    dims.push(size);
    left /= size;
  }
  return left > 1 || dims.length === 0 ? [...dims, left] : dims;
}

const reshape: Layer = (draft, { name, shape }) => {
  const { draw } = draft;
  const perImage = elementCount(shape.slice(1));
  const features = draw.pick([
    [perImage],
    shape.slice(1),
    [...shape.slice(1), 1],
    [1, ...shape.slice(1)],
    factorised(draft, perImage),
  ]);
  const asked = [draw.pick([0, 0, -1, shape[0] ?? 1]), ...features];
  const place = draw.between(1, asked.length - 1);
  if (draw.chance(0.4) && !asked.includes(-1)) asked[place] = -1;
  if (draw.chance(0.2) && asked.length > place && asked[place] === shape[place]) asked[place] = 0;
  if (!draw.chance(0.3) || asked[0] === 0) return draft.node("Reshape", [name, draft.integers(asked)]);
  // As exporters do: the batch size is taken from the shape.
  const batch = draft.node("Gather", [draft.node("Shape", [name]), draft.integers([0])], { axis: 0 });
  return draft.node("Reshape", [name, draft.node("Concat", [batch, draft.integers(asked.slice(1))], { axis: 0 })]);
};

const squeeze: Layer = (draft, { name, shape }) => {
  const { draw } = draft;
  const single = shape.flatMap((size, axis) => (size === 1 ? [draw.chance(0.5) ? axis : axis - shape.length] : []));
  const axes = single.filter(() => draw.chance(0.6));
  // Without axes, a batch of one image would be taken away, and only that.
  if (axes.length === 0) return draw.chance(0.3) && draft.batch > 1 ? draft.node("Squeeze", [name]) : undefined;
  if (draft.opset < 13)
    return draft.node("Squeeze", [name], { axes: axes.map((axis) => positive(axis, shape.length)) });
  return draft.node("Squeeze", [name, draft.integers(axes)]);
};

const unsqueeze: Layer = (draft, { name, shape }) => {
  const { draw } = draft;
  const rank = shape.length + 1;
  const axis = draw.between(0, rank - 1);
  if (draft.opset < 13) return draft.node("Unsqueeze", [name], { axes: [axis] });
  return draft.node("Unsqueeze", [name, draft.integers([draw.chance(0.5) ? axis : axis - rank])]);
};

function positive(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

const transpose: Layer = (draft, { name, shape }) => {
  const { draw } = draft;
  const rest = shape.map((_, axis) => axis).slice(1);
  const [last, first] = [
    [0, ...rest.slice(1), 1],
    [0, shape.length - 1, ...rest.slice(0, -1)],
  ];
  const any = draw.shuffled(shape.map((_, axis) => axis));
  const perm = draw.pick([last, first, first, last, [0, ...draw.shuffled(rest)], any]);
  if (shape.length < 2) return draft.node("Transpose", [name]);
  return draft.node("Transpose", [name], { perm: draw.chance(0.95) ? perm : undefined });
};

const pad: Layer = (draft, { name, shape }) => {
  const { draw, opset } = draft;
  const mode = draw.chance(0.85) ? "constant" : draw.pick(["reflect", "edge"]);
  const width = (_: number, axis: number): number =>
    axis === 0 && draw.chance(0.95) ? 0 : draw.chance(0.05) ? -1 : draw.pick([0, 0, 1, 2]);
  const pads = [...shape.map(width), ...shape.map(width)];
  const value = draw.chance(0.85) ? 0 : draw.normal();
  if (opset < 11) return draft.node("Pad", [name], { pads, ...maybe(draft, "mode", mode), value: { float: value } });
  const filling = value === 0 && draw.chance(0.5) ? "" : draft.tensor([value], []);
  if (opset < 18 || draw.chance(0.5)) {
    return draft.node("Pad", [name, draft.integers(pads), filling], { mode });
  }
  const axes = shape.map((_, axis) => axis).filter((axis) => axis > 0 && draw.chance(0.6));
  const sides = Array.from({ length: 2 * axes.length }, () => draw.between(0, 2));
  const named = axes.map((axis) => (draw.chance(0.5) ? axis : axis - shape.length));
  return draft.node("Pad", [name, draft.integers(sides), filling, draft.integers(named)], { mode });
};

/** Bounds of one axis, also from the end, out of bounds, stepping back, or around nothing. */
function bounds(draft: Draft, size: number): { start: number; end: number; step: number } {
  const { draw } = draft;
  if (draw.chance(0.08)) return { start: size - 1, end: -size - 1, step: -draw.between(1, 2) };
  if (draw.chance(0.06)) return { start: draw.between(0, size), end: draw.between(0, size), step: 1 };
  const start = draw.between(0, size - 1);
  const end = draw.between(start + 1, size);
  const turned = (bound: number): number => (bound < size && draw.chance(0.3) ? bound - size : bound);
  return {
    start: turned(start),
    end: end === size ? draw.pick([size, size + 3, 2 ** 31 - 1]) : turned(end),
    step: draw.pick([1, 1, 1, 2, 3]),
  };
}

const slice: Layer = (draft, { name, shape }) => {
  const { draw, opset } = draft;
  const axes = draw.shuffled(shape.map((_, axis) => axis).filter((axis) => draw.chance(axis === 0 ? 0.05 : 0.6)));
  const taken = axes.map((axis) => bounds(draft, shape[axis] ?? 1));
  const [starts, ends, steps] = [
    taken.map(({ start }) => start),
    taken.map(({ end }) => end),
    taken.map(({ step }) => step),
  ];
  if (axes.length === 0) return undefined;
  if (opset < 10) return draft.node("Slice", [name], { starts, ends, axes });
  const named = axes.map((axis) => (draw.chance(0.3) ? axis - shape.length : axis));
  const inputs = [starts, ends, named, steps].map((numbers) => draft.integers(numbers));
  return draft.node("Slice", [name, ...(steps.every((step) => step === 1) ? inputs.slice(0, 3) : inputs)]);
};

/** Reshape, transpose and reshape: a shuffle of channels, or something else. */
const shuffle: Layer = (draft, { name, shape }) => {
  const { draw } = draft;
  const [, channels = 1, ...pixels] = shape;
  const apart = [...factorised(draft, channels), ...pixels];
  const axes = apart.map((_, axis) => axis + 1);
  const firsts = axes.length - pixels.length;
  const perm = [0, ...draw.shuffled(axes.slice(0, firsts)), ...axes.slice(firsts)];
  const made = draft.node("Reshape", [name, draft.integers([0, ...apart])]);
  const turned = draft.node("Transpose", [made], { perm });
  return draft.node("Reshape", [turned, draft.integers([0, draw.chance(0.9) ? channels : -1, ...pixels])]);
};

const gather: Layer = (draft, { name, shape }) => {
  const { draw } = draft;
  const axis = draw.chance(0.7) ? 1 : draw.between(0, shape.length - 1);
  const extent = shape[axis] ?? 1;
  const taken = Array.from({ length: draw.between(1, extent + 1) }, () => draw.between(-extent, extent - 1));
  const indices = draw.chance(0.2) ? draft.integers(taken.slice(0, 1), []) : draft.integers(taken);
  return draft.node("Gather", [name, indices], { axis: draw.chance(0.3) ? axis - shape.length : axis });
};

const depthToSpace: Layer = (draft, { name, shape }) => {
  const { draw, opset } = draft;
  if (shape.length !== 4) return undefined;
  const blocksize = draw.pick([1, 2, 3]);
  return draft.node("DepthToSpace", [name], {
    blocksize,
    ...(opset >= 11 ? maybe(draft, "mode", draw.pick(["DCR", "CRD"])) : {}),
  });
};

const spaceToDepth: Layer = (draft, { name, shape }) =>
  shape.length === 4 ? draft.node("SpaceToDepth", [name], { blocksize: draft.draw.pick([1, 2, 3]) }) : undefined;

const split: Layer = (draft, { name, shape }) => {
  const { draw, opset } = draft;
  const axis = draw.chance(0.9) && shape.length > 1 ? draw.between(1, shape.length - 1) : 0;
  const size = shape[axis] ?? 1;
  const first = draw.between(draw.chance(0.1) ? 0 : Math.min(1, size - 1), size);
  const named = { axis: draw.chance(0.3) ? axis - shape.length : axis };
  const parts = [first, size - first];
  const given = draw.chance(0.6);
  const old = opset < 13;
  const made = draft.node(
    "Split",
    [name, ...(given && !old ? [draft.integers(parts)] : [])],
    {
      ...named,
      ...(given && old ? { split: parts } : {}),
      ...(!given && opset >= 18 ? { num_outputs: 2 } : {}),
    },
    2,
  );
  return draw.chance(0.5) ? made : `${made}.1`;
};

const concat: Layer = (draft, { name, shape }) => {
  const { draw } = draft;
  const axis = draw.chance(0.7) ? 1 : draw.between(0, shape.length - 1);
  const fits = (other: Shape): boolean =>
    other.length === shape.length && other.every((size, one) => one === axis || size === shape[one]);
  const others = draft.values.filter((other) => fits(other.shape));
  const chosen = Array.from({ length: draw.between(0, 2) }, () => draw.pick(others).name);
  const constant = draw.chance(0.1) ? [draft.floats(shape)] : [];
  return draft.node("Concat", draw.shuffled([name, ...chosen, ...constant]), {
    axis: draw.chance(0.3) ? axis - shape.length : axis,
  });
};

const expand: Layer = (draft, { name, shape }) => {
  const dims = shape.map((size, axis) =>
    size === 1 && axis > 0 ? draft.draw.between(1, 3) : draft.draw.pick([1, size]),
  );
  return draft.node("Expand", [name, draft.integers(dims)]);
};

export const movement: Readonly<Record<string, Layer>> = {
  Flatten: flatten,
  Reshape: reshape,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Shuffle: shuffle,
  Gather: gather,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Pad: pad,
  Slice: slice,
  Split: split,
  Concat: concat,
  Expand: expand,
};

/** Reads reshapes, transposes, slices, concatenations and the like of arranged values. */
import { frontAxis } from "../folding/movement.ts";
import { dividedBy, type Scalar, times } from "../folding/scalar.ts";
import {
  type Arrangement,
  type Axis,
  axisOf,
  dimsOf,
  extentOf,
  reshapedTo,
  sameAxis,
  scalarsOf,
} from "./arrangement.ts";
import { type ArrangedContext, type ArrangedRule, declare, hasBatch, isolated } from "./rule.ts";

function source({ node, arranger }: ArrangedContext): Arrangement {
  return arranger.of(node.input(0));
}

/** The axes that the node names: an input, or an attribute of older opsets. */
function axesNamed({ node, reader }: ArrangedContext): readonly number[] | undefined {
  if ((node.inputs[1] ?? "") !== "") return reader.integers(node, node.input(1));
  return node.has("axes") ? node.ints("axes") : undefined;
}

const transpose: ArrangedRule = (context) => {
  const { node } = context;
  const arrangement = source(context);
  const rank = arrangement.axes.length;
  const order = node.permutation(rank);
  node.check(new Set(order).size === rank && order.length === rank, "perm does not name every axis exactly once");
  return declare(context, { ...arrangement, axes: order.map((axis) => arrangement.axes[axis] ?? []) });
};

const reshape: ArrangedRule = (context) => {
  const { node, reader } = context;
  const arrangement = source(context);
  const own = scalarsOf(arrangement.axes, reader.fixedBatch);
  const copiesZero = node.int("allowzero", 0) === 0;
  const asked = node.has("shape") ? node.ints("shape") : reader.scalars(node, node.input(1));
  const dims = asked.map((size, axis) => (size === 0 && copiesZero ? (own[axis] ?? 0) : size));
  const open = dims.indexOf(-1);
  const product = (sizes: readonly Scalar[]): Scalar => sizes.reduce(times, 1);
  const known = open < 0 ? dims : dims.with(open, dividedBy(product(own), product(dims.toSpliced(open, 1)), true));
  const made = reshapedTo(arrangement, known, reader.fixedBatch);
  return made !== undefined && declare(context, made);
};

const flatten: ArrangedRule = (context) => {
  const { node, reader } = context;
  const arrangement = source(context);
  const asked = node.int("axis", 1);
  const split = asked < 0 ? asked + arrangement.axes.length : asked;
  const own = scalarsOf(arrangement.axes, reader.fixedBatch);
  const dims = [own.slice(0, split), own.slice(split)].map((sizes) => sizes.reduce(times, 1));
  const made = reshapedTo(arrangement, dims, reader.fixedBatch);
  return made !== undefined && declare(context, made);
};

const squeeze: ArrangedRule = (context) => {
  const { node, reader } = context;
  const arrangement = source(context);
  const rank = arrangement.axes.length;
  const named = axesNamed(context)?.map((axis) => frontAxis(node, axis, rank));
  const isTaken = (axis: Axis, place: number): boolean => named?.includes(place) ?? axis.length === 0;
  // A batch of one image would be taken away.
  if (named === undefined && reader.fixedBatch === 1) return false;
  const taken = arrangement.axes.filter(isTaken);
  node.check(
    taken.every((axis) => axis.length === 0),
    "removes an axis whose size is not 1",
  );
  return declare(context, { ...arrangement, axes: arrangement.axes.filter((axis, place) => !isTaken(axis, place)) });
};

const unsqueeze: ArrangedRule = (context) => {
  const { node } = context;
  const arrangement = source(context);
  const named = axesNamed(context) ?? [];
  const rank = arrangement.axes.length + named.length;
  const added = new Set(named.map((axis) => frontAxis(node, axis, rank)));
  const rest = arrangement.axes.values();
  const axes = Array.from({ length: rank }, (_, place) => (added.has(place) ? [] : (rest.next().value ?? [])));
  return declare(context, { ...arrangement, axes });
};

/** Indices first, first + step … of one axis. */
interface Range {
  readonly first: number;
  readonly count: number;
  readonly step: number;
}

/** `arrangement` with `range` of the axis at `place` alone. */
function sliced(
  { node, arranger, reader }: ArrangedContext,
  arrangement: Arrangement,
  place: number,
  { first, count, step }: Range,
): Arrangement {
  const axis = arrangement.axes[place] ?? [];
  const extent = extentOf(axis);
  node.check(!hasBatch(axis), "takes single images of the batch");
  if (count === extent && step === 1) return arrangement;
  const made = axisOf(count);
  // The outermost factors of an axis are taken as a range of the axis itself.
  const whole = arrangement.inner.find((own) => own.length > axis.length && sameAxis(own.slice(0, axis.length), axis));
  const rest = whole === undefined || step !== 1 ? [] : whole.slice(axis.length);
  const ordered =
    rest.length > 0 ? arrangement : arranger.ordered(node, arrangement, isolated(arrangement.inner, axis));
  const target = rest.length > 0 ? whole : axis;
  const at = ordered.inner.findIndex((own) => sameAxis(own, target ?? []));
  const inside = extentOf(rest);
  const dims = dimsOf(ordered.inner);
  const starts = [0, ...dims.map(() => 0)].with(at + 1, first * inside);
  const end = Math.min(first + (count - 1) * step + 1, extent) * inside;
  const ends: readonly (number | "N")[] = ["N" as const, ...dims].with(at + 1, end);
  const steps = starts.map(() => 1).with(at + 1, step);
  const value = reader.add(node, "slice", [ordered.source], { starts, ends, steps }, { part: "taken" });
  return {
    source: value,
    inner: ordered.inner.with(at, [...made, ...rest]),
    axes: arrangement.axes.with(place, made),
  };
}

const gather: ArrangedRule = (context) => {
  const { node, reader } = context;
  const arrangement = source(context);
  const place = frontAxis(node, node.int("axis", 0), arrangement.axes.length);
  const { dims } = reader.constant(node.input(1)) ?? {};
  const extent = extentOf(arrangement.axes[place] ?? []);
  const indices = reader.integers(node, node.input(1)).map((index) => (index < 0 ? index + extent : index));
  const [first = 0, second = first + 1] = indices;
  const step = second - first;
  const isEven = step >= 1 && indices.every((index, at) => index === first + at * step);
  if (dims === undefined || dims.length > 1 || !isEven || first + (indices.length - 1) * step >= extent) return false;
  const made = sliced(context, arrangement, place, { first, count: indices.length, step });
  return declare(context, dims.length === 1 ? made : { ...made, axes: made.axes.toSpliced(place, 1) });
};

const slice: ArrangedRule = (context) => {
  const { node, reader } = context;
  let arrangement = source(context);
  const rank = arrangement.axes.length;
  const isOld = node.has("starts");
  const starts = isOld ? node.ints("starts") : reader.integers(node, node.input(1));
  const ends = isOld ? node.ints("ends") : reader.scalars(node, node.input(2));
  const named =
    (node.inputs[3] ?? "") === ""
      ? node.ints(
          "axes",
          starts.map((_, axis) => axis),
        )
      : reader.integers(node, node.input(3));
  const steps = (node.inputs[4] ?? "") === "" ? starts.map(() => 1) : reader.integers(node, node.input(4));
  for (const [index, asked] of named.entries()) {
    const place = frontAxis(node, asked, rank);
    const axis = arrangement.axes[place] ?? [];
    const extent = extentOf(axis);
    const [start = 0, end = extent, step = 1] = [starts[index], ends[index], steps[index]];
    const isWhole = start === 0 && step === 1 && (typeof end !== "number" || end >= 2 ** 31 - 1);
    if (hasBatch(axis) && isWhole) continue;
    if (typeof end !== "number" || step < 1) return false;
    const bound = (of: number): number => Math.min(Math.max(of < 0 ? of + extent : of, 0), extent);
    const [first, last] = [bound(start), bound(end)];
    node.check(first < last, "its result is empty", "a start before the end", `${start}, ${end}`);
    arrangement = sliced(context, arrangement, place, { first, count: Math.ceil((last - first) / step), step });
  }
  return declare(context, arrangement);
};

const split: ArrangedRule = (context) => {
  const { node, reader, arranger } = context;
  const arrangement = source(context);
  const place = frontAxis(node, node.int("axis", 0), arrangement.axes.length);
  const extent = extentOf(arrangement.axes[place] ?? []);
  const count = node.int("num_outputs", node.outputCount);
  const even = Math.ceil(extent / count);
  const equal = Array.from({ length: count }, (_, index) => Math.min(even, extent - index * even));
  const given = (node.inputs[1] ?? "") === "" ? node.ints("split", equal) : reader.integers(node, node.input(1));
  const sum = given.reduce((partial, size) => partial + size, 0);
  node.check(sum === extent, "the sizes of its parts do not add up to the axis", `${extent}`, `[${given}]`);
  let first = 0;
  for (const [index, size] of given.entries()) {
    const output = node.outputs[index] ?? "";
    if (output !== "") {
      arranger.declare(node, output, sliced(context, arrangement, place, { first, count: size, step: 1 }));
    }
    first += size;
  }
  node.readsAllOutputs();
  return true;
};

/** Zeros around the value. */
export function padded(
  { node, reader }: ArrangedContext,
  arrangement: Arrangement,
  at: number,
  [before, after]: readonly [before: number, after: number],
): string {
  const zeros = [0, ...arrangement.inner.map(() => 0)];
  const attributes = { before: zeros.with(at + 1, before), after: zeros.with(at + 1, after) };
  return reader.add(node, "pad", [arrangement.source], attributes, { part: "padded" });
}

const pad: ArrangedRule = (context) => {
  const { node, reader, arranger } = context;
  let arrangement = source(context);
  const rank = arrangement.axes.length;
  const filling = (node.inputs[2] ?? "") === "" ? 0 : reader.scalar(node, node.input(2));
  if (node.string("mode", "constant") !== "constant" || filling !== 0 || node.has("pads") || node.inputs.length > 3) {
    return false;
  }
  const pads = reader.integers(node, node.input(1));
  for (const place of arrangement.axes.keys()) {
    const [before = 0, after = 0] = [pads[place], pads[place + rank]];
    if (before === 0 && after === 0) continue;
    const axis = arrangement.axes[place] ?? [];
    if (hasBatch(axis) || before < 0 || after < 0) return false;
    const ordered = arranger.ordered(node, arrangement, isolated(arrangement.inner, axis));
    const at = ordered.inner.findIndex((own) => sameAxis(own, axis));
    const made = axisOf(extentOf(axis) + before + after);
    arrangement = {
      source: padded(context, ordered, at, [before, after]),
      inner: ordered.inner.with(at, made),
      axes: arrangement.axes.with(place, made),
    };
  }
  return declare(context, arrangement);
};

export const movement: readonly (readonly [opType: string, rule: ArrangedRule])[] = [
  ["Flatten", flatten],
  ["Gather", gather],
  ["Pad", pad],
  ["Reshape", reshape],
  ["Slice", slice],
  ["Split", split],
  ["Squeeze", squeeze],
  ["Transpose", transpose],
  ["Unsqueeze", unsqueeze],
];

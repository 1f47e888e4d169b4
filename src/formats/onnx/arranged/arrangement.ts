/**
 * Values that stand in a file with the batch behind other axes, or joined with them, as exporters write attention. Here
 * every value has its batch first, so such a value is an arrangement of another value: each of its axes is a product of
 * factors of that value's axes. Reshapes and transposes of the file then change the arrangement and move nothing.
 */
import { elementCount, type Shape } from "../../../core/tensor.ts";
import { batchSize, type Scalar, times } from "../folding/scalar.ts";

/** A factor of an axis. Factors are told apart by identity. */
export interface Factor {
  readonly extent: number | "N";
}

/** The factors of an axis, the outermost first. An axis of extent 1 has none. */
export type Axis = readonly Factor[];

export interface Arrangement {
  /** The value that is arranged: its batch is first. */
  readonly source: string;
  /** The axes of `source` behind the batch. */
  readonly inner: readonly Axis[];
  /** The axes of the file's value. */
  readonly axes: readonly Axis[];
}

/** The batch, in every arrangement. */
export const batch: Factor = { extent: "N" };

export function axisOf(extent: number): Axis {
  return extent === 1 ? [] : [{ extent }];
}

/** The numbers along `axis`, for any one image. */
export function extentOf(axis: Axis): number {
  return elementCount(axis.map(({ extent }) => (extent === "N" ? 1 : extent)));
}

export function dimsOf(axes: readonly Axis[]): Shape {
  return axes.map(extentOf);
}

/** The dims of the file's value, with the batch size as a symbol unless the file fixes it. */
export function scalarsOf(axes: readonly Axis[], fixedBatch: number | undefined): readonly Scalar[] {
  const size = (factor: Factor): Scalar => (factor.extent === "N" ? (fixedBatch ?? batchSize) : factor.extent);
  return axes.map((axis) => axis.reduce<Scalar>((product, factor) => times(product, size(factor)), 1));
}

/** Whether both are the same factors in the same order. */
export function sameAxis(a: Axis, b: Axis): boolean {
  return a.length === b.length && a.every((factor, index) => factor === b[index]);
}

export function sameAxes(a: readonly Axis[], b: readonly Axis[]): boolean {
  return a.length === b.length && a.every((axis, index) => sameAxis(axis, b[index] ?? []));
}

/** `axis` with each factor replaced by those that `parts` divides it into. */
function divided(axis: Axis, parts: ReadonlyMap<Factor, Axis>): Axis {
  if (!axis.some((factor) => parts.has(factor))) return axis;
  return axis.flatMap((factor) => {
    const found = parts.get(factor);
    return found === undefined ? [factor] : divided(found, parts);
  });
}

function withDivided(arrangement: Arrangement, parts: ReadonlyMap<Factor, Axis>): Arrangement {
  if (parts.size === 0) return arrangement;
  const all = (axes: readonly Axis[]): readonly Axis[] => axes.map((axis) => divided(axis, parts));
  return { ...arrangement, inner: all(arrangement.inner), axes: all(arrangement.axes) };
}

/** The extent of an axis that is asked for: a number, with the batch among its factors or not. */
interface Wanted {
  readonly count: number;
  readonly hasBatch: boolean;
}

function wantedOf(scalar: Scalar): Wanted | undefined {
  if (typeof scalar === "number") return { count: scalar, hasBatch: false };
  return scalar.plus === 0 ? { count: scalar.times, hasBatch: true } : undefined;
}

/**
 * `arrangement` with the axes of dims `dims`, as a reshape makes them; undefined if an axis would begin inside a factor
 * that cannot be divided there.
 */
export function reshapedTo(
  arrangement: Arrangement,
  dims: readonly Scalar[],
  fixedBatch: number | undefined,
): Arrangement | undefined {
  const parts = new Map<Factor, Axis>();
  const pending = arrangement.axes.flat();
  const axes: Axis[] = [];
  for (const scalar of dims) {
    const wanted = wantedOf(scalar);
    if (wanted === undefined) return undefined;
    const axis = taken(pending, wanted, fixedBatch, parts);
    if (axis === undefined) return undefined;
    axes.push(axis);
  }
  // A batch of one may be left where it has no axis of its own.
  const last = axes.length - 1;
  if (pending.length > 1 || (pending.length === 1 && (pending[0] !== batch || fixedBatch !== 1 || last < 0))) {
    return undefined;
  }
  if (pending.length === 1) axes[last] = [...(axes[last] ?? []), batch];
  return { ...withDivided(arrangement, parts), axes: axes.map((axis) => divided(axis, parts)) };
}

/** Takes the factors of an axis from the front of `pending`, and divides the last one if it has to. */
function taken(
  pending: Factor[],
  { count, hasBatch }: Wanted,
  fixedBatch: number | undefined,
  parts: Map<Factor, Axis>,
): Axis | undefined {
  const axis: Factor[] = [];
  let [left, needsBatch] = [count, hasBatch];
  for (;;) {
    const [first] = pending;
    if (first === batch) {
      const size = fixedBatch ?? 1;
      const isTaken = fixedBatch === undefined ? needsBatch : left % size === 0;
      if (isTaken) {
        axis.push(batch);
        pending.shift();
        needsBatch = false;
        left /= size;
        continue;
      }
    }
    if (left === 1 && !needsBatch) return axis;
    if (first === undefined || first.extent === "N") return undefined;
    if (left % first.extent === 0) {
      axis.push(first);
      pending.shift();
      left /= first.extent;
    } else if (first.extent % left === 0 && left > 1 && !needsBatch) {
      const [own, rest] = [{ extent: left }, { extent: first.extent / left }];
      parts.set(first, [own, rest]);
      axis.push(own);
      pending[0] = rest;
      left = 1;
    } else return undefined;
  }
}

/** Two arrangements whose common axes have the same factors. */
interface Unified {
  readonly a: Arrangement;
  readonly b: Arrangement;
}

/**
 * Gives `b` the factors of `a` on all axes of `along` (by place: axis of `a`, axis of `b`). An axis of extent 1 stays.
 * Undefined if two axes have different factors.
 */
export function unified(
  a: Arrangement,
  b: Arrangement,
  along: readonly (readonly [ofA: number, ofB: number])[],
): Unified | undefined {
  const parts = new Map<Factor, Axis>();
  const names = new Map<Factor, Factor>();
  const isAsInA = along.every(([ofA, ofB]) => sameAxis(a.axes[ofA] ?? [], b.axes[ofB] ?? []));
  const other = isAsInA ? b : withOwnFactors(b);
  for (const [ofA, ofB] of along) {
    const [left, right] = [[...(a.axes[ofA] ?? [])], [...(other.axes[ofB] ?? [])]];
    // An axis that is repeated for the other operand must not be the batch.
    if (left.includes(batch) !== right.includes(batch)) return undefined;
    if (left.length === 0 || right.length === 0) continue;
    while (left.length > 0 && right.length > 0) {
      const [first, second] = [left.shift(), right.shift()];
      if (first === undefined || second === undefined) return undefined;
      if (first.extent === second.extent) {
        names.set(second, first);
        continue;
      }
      if (first.extent === "N" || second.extent === "N") return undefined;
      const [large, small] = first.extent > second.extent ? [first, second] : [second, first];
      const factor = Number(small.extent);
      if (Number(large.extent) % factor !== 0) return undefined;
      const [own, rest] = [{ extent: factor }, { extent: Number(large.extent) / factor }];
      const isLeft = large === first;
      parts.set(large, [own, rest]);
      (isLeft ? left : right).unshift(rest);
      (isLeft ? left : right).unshift(own);
      (isLeft ? right : left).unshift(small);
    }
    if (left.length > 0 || right.length > 0) return undefined;
  }
  return { a: withDivided(a, parts), b: withNames(withDivided(other, parts), names) };
}

/**
 * `arrangement` with factors that no other arrangement has, but for the batch. A value that is combined with itself
 * would otherwise have the same factor on two axes, once the axes of one operand are called as others of the other.
 */
function withOwnFactors(arrangement: Arrangement): Arrangement {
  const factors = new Set([...arrangement.inner, ...arrangement.axes].flat());
  factors.delete(batch);
  return withNames(arrangement, new Map([...factors].map((factor) => [factor, { ...factor }])));
}

/** `arrangement` with other factors of the same extents. */
function withNames(arrangement: Arrangement, names: ReadonlyMap<Factor, Factor>): Arrangement {
  const all = (axes: readonly Axis[]): readonly Axis[] =>
    axes.map((axis) => axis.map((factor) => names.get(factor) ?? factor));
  return { ...arrangement, inner: all(arrangement.inner), axes: all(arrangement.axes) };
}

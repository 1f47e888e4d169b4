/**
 * Prunes a network during training. It removes the structures that are held at zero. Everything else keeps its value,
 * and factors stay separate from the parameters that they scale, so the optimizer continues as without the cut. Only
 * the held factors count as zero: a weight that happens to be zero can change at the next step. If a branch becomes a
 * constant, its parameters are still trained, so they stay parameters.
 */
import { put, type Tensor, take, tensor } from "../core/tensor.ts";
import type { Network, Weights } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";
import type { Rounding } from "../graph/width-rounding.ts";
import type { Factor } from "../selection/factors.ts";
import { applyStep } from "./apply.ts";
import { findConstantBranches } from "./constant-branches.ts";
import { type CutStep, keptIndices } from "./cut-list.ts";
import { findStep } from "./next-cut.ts";

export interface Shrinking {
  /** The smaller network, with its factors. */
  readonly network: Network;
  readonly steps: readonly CutStep[];
}

/** The value of a factor that may become or stay nonzero: neither 0 nor 1, because the analysis treats these apart. */
const UNKNOWN = 2;

/**
 * Finds what can be removed from `network` for good if the structures that `held` marks stay at zero. `held` has an
 * entry per structure for each factor parameter: 1 if the structure is held at zero. No step changes the loss or the
 * gradients of the remaining parameters. Widths are kept at multiples of `round`.
 *
 * A held structure may have to stay, because there is no path around its layer or because it pads a width. Its factor
 * can then become nonzero again. So it counts as not held, and everything that it depends on stays too.
 */
export function findShrinking(network: Network, held: ReadonlyMap<string, Uint8Array>, round: Rounding = 1): Shrinking {
  let marks = held;
  for (;;) {
    const found = shrinkingIf(network, marks, round);
    const staying = [...marks].map(([parameter, own]): readonly [string, Uint8Array] => {
      const left = new Set(structuresLeft({ parameter, count: own.length }, found.steps, found.network.weights));
      return [parameter, own.map((isHeld, index) => (left.has(index) ? 0 : isHeld))];
    });
    const stays = staying.some(([parameter, own]) =>
      own.some((isHeld, index) => isHeld !== marks.get(parameter)?.[index]),
    );
    if (!stays) return found;
    marks = new Map(staying);
  }
}

function shrinkingIf(network: Network, held: ReadonlyMap<string, Uint8Array>, round: Rounding): Shrinking {
  const steps: CutStep[] = [];
  let current = network;
  for (;;) {
    const zeros = knownFactors(current, steps, held);
    const branches = findConstantBranches(current, inferShapes(current.graph, 1), zeros);
    const step: CutStep | undefined =
      branches.length > 0
        ? { kind: "constant", branches }
        : findStep({ graph: current.graph, weights: zeros }, { round, mayAddBias: false })?.step;
    if (step === undefined) return { network: current, steps };
    steps.push(step);
    current = applyStep(current, step);
  }
}

/** The known values of the factors of `network`, which is the result of `steps`. */
function knownFactors({ graph }: Network, steps: readonly CutStep[], held: ReadonlyMap<string, Uint8Array>): Weights {
  const factors = graph.parameters.filter(({ kind }) => kind === "factor");
  return new Map(
    factors.map(({ name, shape }) => {
      const marks = held.get(name) ?? new Uint8Array(shape[0] ?? 0);
      const kept = keptIndices(steps, name, 0, marks.length);
      const known = Float32Array.from(kept, (index) => (marks[index] === 1 ? 0 : UNKNOWN));
      return [name, tensor(shape, known)] as const;
    }),
  );
}

/** The axes along which steps cut parameters. */
const CUT_AXES = [0, 1] as const;

/** The cuts that `steps` make of a parameter of the shape `whole`. */
function cutsOf(steps: readonly CutStep[], parameter: string, whole: Tensor["shape"]) {
  return CUT_AXES.filter((axis) => axis < whole.length)
    .map((axis) => ({ axis, kept: keptIndices(steps, parameter, axis, whole[axis] ?? 0) }))
    .filter(({ axis, kept }) => kept.length < (whole[axis] ?? 0));
}

/** The part of `whole` that `steps` leave. `whole` is the value of `parameter`, or its velocity. */
export function narrow(whole: Tensor, steps: readonly CutStep[], parameter: string): Tensor {
  return cutsOf(steps, parameter, whole.shape).reduce((value, { axis, kept }) => take(value, axis, kept), whole);
}

/** The inverse of `narrow`: `whole` with the entries that `steps` leave replaced by those of `left`. */
export function widen(left: Tensor, steps: readonly CutStep[], parameter: string, whole: Tensor): Tensor {
  const [first, ...rest] = cutsOf(steps, parameter, whole.shape);
  const into = (target: Tensor, cuts: typeof rest): Tensor => {
    const [cut, ...inner] = cuts;
    if (cut === undefined) return left;
    return put(target, cut.axis, cut.kept, into(take(target, cut.axis, cut.kept), inner));
  };
  return first === undefined ? left : into(whole, [first, ...rest]);
}

/** `factors` after `steps`, without the factors whose parameters are not in `left` any more. */
export function narrowFactors(
  factors: readonly Factor[],
  steps: readonly CutStep[],
  left: Pick<Weights, "has">,
): readonly Factor[] {
  return factors.flatMap((factor): Factor[] => {
    const { parameter, count, gammaScale, keepRun, ...rest } = factor;
    if (!left.has(parameter)) return [];
    const kept = keptIndices(steps, parameter, 0, count);
    const before = (end: number): number => kept.filter((index) => index < end).length;
    return [
      {
        ...rest,
        parameter,
        count: kept.length,
        ...(gammaScale === undefined
          ? {}
          : { gammaScale: gammaScale.length === 1 ? gammaScale : kept.map((index) => gammaScale[index] ?? 1) }),
        ...(keepRun === undefined ? {} : { keepRun: [before(keepRun[0]), before(keepRun[1])] as const }),
      },
    ];
  });
}

/** The indices of the `count` structures of `parameter` that `steps` leave; none if `left` lacks the parameter. */
export function structuresLeft(
  { parameter, count }: Pick<Factor, "parameter" | "count">,
  steps: readonly CutStep[],
  left: Pick<Weights, "has">,
): readonly number[] {
  return left.has(parameter) ? keptIndices(steps, parameter, 0, count) : [];
}

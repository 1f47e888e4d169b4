/**
 * Parses and prints budgets: a share of the full network's cost, or a number of MACs, parameters or milliseconds. Also
 * chooses the kinds of structures to prune if the user names none, and computes the smallest budget that a network
 * allows.
 */
import { requireArguments } from "../core/arguments.ts";
import { required, UserError } from "../core/errors.ts";
import type { Cost } from "../graph/cost.ts";
import type { Graph } from "../graph/graph.ts";
import { networkCost } from "../latency/predict.ts";
import { type CostKind, type CostOptions, costModel, costNames } from "./cost-model.ts";
import { type Factor, type FactorKind, type Selection, selectionKeys } from "./factors.ts";
import { nearestShare } from "./nearest-share.ts";
import { place, structureKinds } from "./place.ts";
import { meanCosts } from "./structure-costs.ts";

/**
 * The cost of the pruned network: `share` of the full network's MACs, parameters or latency (0 … 1), or `count` of
 * them. Latency is counted in milliseconds.
 */
export type Budget =
  | { readonly of: CostKind; readonly share: number }
  | { readonly of: CostKind; readonly count: number };

const measures: { readonly [name: string]: CostKind } = {
  macs: "macs",
  flops: "macs",
  params: "parameters",
  parameters: "parameters",
  latency: "latency",
};
/** Milliseconds of a unit of time. */
const times: { readonly [name: string]: number } = { ms: 1, us: 1e-3, µs: 1e-3, s: 1e3 };
const scales: { readonly [letter: string]: number } = { "": 1, k: 1e3, m: 1e6, g: 1e9 };

/**
 * Parses a budget: `50%` (of the MACs), `50%-params`, `50%-latency`, `20M-macs`, `100k-params` or `1.5ms`.
 * @throws UserError "bad-option" on any other text, and on a share that is not above 0 % and at most 100 %.
 */
export function parseBudget(text: string): Budget {
  requireArguments("parseBudget", { text: [text, "text"] });
  const [, time, unitOfTime = ""] = /^\s*(\d+\.?\d*|\.\d+)\s*(ms|us|µs|s)\s*$/i.exec(text) ?? [];
  if (time !== undefined) {
    return { of: "latency", count: requirePositive(Number(time) * (times[unitOfTime.toLowerCase()] ?? 1), text) };
  }
  const [, digits = "", scale = "", percent, unit] =
    /^\s*(\d+\.?\d*|\.\d+)\s*(?:([kmg]?)|(%))(?:[-\s]*([a-z]+))?\s*$/i.exec(text) ?? [];
  const of = unit === undefined ? undefined : measures[unit.toLowerCase()];
  const isCountable = percent !== undefined || (of !== undefined && of !== "latency");
  const isKnown = digits !== "" && (unit === undefined ? percent !== undefined : of !== undefined && isCountable);
  if (!isKnown) {
    throw new UserError("bad-option", unit === undefined ? "not a budget" : `a budget has no unit "${unit}"`, {
      about: "budget",
      expected: "a share or a number with its unit",
      received: `"${text}"`,
      hint: "Write 50% (of the MACs), 50%-params, 50%-latency, 20M-macs, 100k-params or 1.5ms",
    });
  }
  const value = Number(digits);
  if (percent === undefined)
    return { of: of ?? "macs", count: requireCount(value * (scales[scale.toLowerCase()] ?? 1), text) };
  return { of: of ?? "macs", share: requireShare(value / 100, text) };
}

function requireCount(count: number, received: string): number {
  const whole = Math.round(count);
  if (whole >= 1 && Number.isSafeInteger(whole)) return whole;
  throw new UserError("bad-option", "a budget in numbers is a whole number of MACs or parameters", {
    about: "budget",
    expected: "1 or more",
    received,
    hint: "20M-macs trains a network that ends with 20 million MACs",
  });
}

function requirePositive(milliseconds: number, received: string): number {
  if (milliseconds > 0 && Number.isFinite(milliseconds)) return milliseconds;
  throw new UserError("bad-option", "a budget of time is above 0", {
    about: "budget",
    expected: "more than 0 ms",
    received,
    hint: "1.5ms trains a network that takes 1.5 milliseconds for an image",
  });
}

function requireShare(share: number, received: string): number {
  if (share > 0 && share <= 1) return share;
  throw new UserError("bad-option", "a budget is a part of the full network", {
    about: "budget",
    expected: "more than 0 % and at most 100 %",
    received,
    hint: "50% trains a network that ends with half of its MACs",
  });
}

/** A cost in words: `41,214,976 MACs`, `269,722 parameters`, `1.52 ms`. */
export function describeCost(of: CostKind, value: number): string {
  if (of === "latency") return `${Number(value.toPrecision(3))} ms`;
  return `${value.toLocaleString("en")} ${costNames[of]}`;
}

/** `budget` in words: `50 % of the MACs`, `100,000 parameters`, `1.5 ms`. */
export function describeBudget(budget: Budget): string {
  requireArguments("describeBudget", { budget: [budget, "budget"] });
  if ("count" in budget) return describeCost(budget.of, budget.count);
  return `${Number((100 * budget.share).toPrecision(4))} % of the ${costNames[budget.of]}`;
}

/** `budget` as a share of the full network's cost `whole`, 0 … 1. */
export function budgetShare(budget: Budget, whole: Cost): number {
  return "share" in budget ? budget.share : budget.count / costOf(whole, budget.of);
}

/** The part of `cost` of the kind `of`. A cost has no latency unless a table predicts it. */
export function costOf(cost: Cost, of: CostKind): number {
  return required(cost[of], "the predicted latency");
}

/** How far from the budget a run may end, as a share of the full cost. */
export const BUDGET_TOLERANCE = 0.02;

/**
 * The kinds of structures to prune, with γ of each, if the user names none. They are the paper's kinds that `graph`
 * has, and streams if whole structures of the others cannot come near enough to the budget. γ of a kind is proportional
 * to the mean cost of its structures, so that a MAC has the same price in every kind. Only the ratios of these γ
 * matter. A budget of latency needs `latencyTable`.
 */
export function budgetSelection(graph: Graph, budget: Budget, options: CostOptions = {}): Selection {
  const kinds = structureKinds(graph);
  const ofPaper = kinds.filter((kind) => kind !== "stream");
  const withRatios = (chosen: readonly FactorKind[]): Selection => gammaRatios(graph, chosen, budget.of, options);
  if (ofPaper.length === 0 || ofPaper.length === kinds.length) return withRatios(kinds);
  const share = budgetShare(budget, networkCost(graph, options.latencyTable));
  /** The smallest share that `select` can reach, and the distance from the budget to the nearest. */
  const reachOf = (select: Selection): { least: number; distance: number } => {
    const { graph: scaled, factors } = place(graph, select);
    const nearest = nearestReachable(scaled, factors, { of: budget.of, share }, options);
    return { least: smallestShare(scaled, factors, budget.of, options), distance: Math.abs(nearest - share) };
  };
  const withoutStreams = withRatios(ofPaper);
  const { least, distance } = reachOf(withoutStreams);
  // A budget below the least that can be reached is refused, however near it is.
  const isReached = least <= share;
  if (isReached && distance <= BUDGET_TOLERANCE) return withoutStreams;
  const all = withRatios(kinds);
  return isReached && distance <= reachOf(all).distance ? withoutStreams : all;
}

/** The share of the cost of `graph` nearest to a budget that whole structures of `factors` can come to. */
export function nearestReachable(
  graph: Graph,
  factors: readonly Factor[],
  { of, share }: Extract<Budget, { share: number }>,
  options: CostOptions = {},
): number {
  const least = smallestShare(graph, factors, of, options);
  if (least >= share) return least;
  const model = costModel(graph, factors, of, options);
  let offset = 0;
  const groups = factors.map((factor) => {
    const first = offset;
    offset += factor.count;
    const run = guarded(factor);
    return Array.from({ length: factor.count }, (_, index) => index).flatMap((index) =>
      factor.gamma > 0 && index !== run?.[0] ? [first + index] : [],
    );
  });
  return nearestShare(groups, model.remaining(), model.whole, share);
}

/** γ of each of `kinds`, proportional to the mean cost of its structures; the smallest is 1. */
function gammaRatios(graph: Graph, kinds: readonly FactorKind[], of: CostKind, options: CostOptions): Selection {
  const ones = Object.fromEntries(kinds.map((kind) => [selectionKeys[kind], 1] as const));
  const { graph: scaled, factors } = place(graph, ones);
  const means = [...meanCosts(costModel(scaled, factors, of, options), factors)];
  const least = Math.min(...means.map(([, mean]) => mean));
  return Object.fromEntries(
    means.map(([kind, mean]) => [selectionKeys[kind], Number((mean / least).toPrecision(3))] as const),
  );
}

/** The structures [start, end) of a factor of which one must stay, because they are on the only path. */
export function guarded({ keepLast, keepRun, count }: Factor): readonly [number, number] | undefined {
  return keepLast ? (keepRun ?? [0, count]) : undefined;
}

/** The share of the cost of `graph`, 0 … 1, that is left if every structure is pruned that may be. */
export function smallestShare(
  graph: Graph,
  factors: readonly Factor[],
  of: CostKind,
  options: CostOptions = {},
): number {
  const model = costModel(graph, factors, of, options);
  const count = model.remaining();
  let offset = 0;
  for (const factor of factors) {
    const run = guarded(factor);
    for (let index = 0; index < factor.count; index++) {
      if (factor.gamma > 0 && index !== run?.[0]) count.remove(offset + index);
    }
    offset += factor.count;
  }
  return count.left / model.whole;
}

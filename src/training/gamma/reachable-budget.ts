/** Checks before a run that its network can be pruned to the budget. */
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import type { Graph } from "../../graph/graph.ts";
import { networkCost } from "../../latency/predict.ts";
import type { LatencyTable } from "../../latency/table.ts";
import { withoutFactors } from "../../latency/timed-layers.ts";
import {
  type Budget,
  budgetShare,
  costOf,
  describeBudget,
  describeCost,
  nearestReachable,
  smallestShare,
} from "../../selection/budget.ts";
import { type Factor, type FactorKind, factorKinds } from "../../selection/factors.ts";
import { refusedLayers, structureKinds } from "../../selection/place.ts";
import { roundingOf } from "../session/session.ts";
import type { Settings } from "../settings/settings.ts";
import type { StartingNetwork } from "../start/starting-network.ts";

/** A budget is refused if whole structures cannot come nearer than this share of the full cost. */
const LARGEST_GAP = 0.08;

/** A refusal names at most this many layers for one reason. */
const MOST_LISTED = 3;

/**
 * @throws UserError "bad-option" if the budget is above the full cost, below the smallest cost that pruning can reach,
 * or if no kind of structure has a γ above 0.
 */
export function requireReachable(
  settings: Settings,
  { network: { graph }, factors }: StartingNetwork,
  latencyTable?: LatencyTable,
): void {
  const { budget } = settings;
  if (budget === undefined) return;
  if (factors.length === 0) throw nothingToPrune(graph);
  const kinds = kindsOf(factors);
  if (kinds.length === 0) {
    const message = "no structures can be pruned to meet the budget";
    throw refusal(budget, message, "a kind with γ above 0", "Leave --gamma out");
  }
  const whole = networkCost(graph, latencyTable);
  const full = describeCost(budget.of, costOf(whole, budget.of));
  const share = budgetShare(budget, whole);
  if (share > 1)
    throw refusal(budget, "the budget is larger than the network's cost", `at most ${full}`, "Ask for less");

  const options = { round: roundingOf(settings, latencyTable), ...optional({ latencyTable }) };
  const least = smallestShare(graph, factors, budget.of, options);
  const unused = otherKinds(graph, factors);
  const others = unused.length === 0 ? "" : `, or select ${listOf(unused)} too`;
  const selected = `Selected: ${listOf(kinds)}`;
  if (share < least) {
    const smallest = (Math.ceil(1000 * least) / 10).toFixed(1);
    throw refusal(
      budget,
      `the budget is below what is left of ${graph.name} if everything is pruned that can be`,
      `at least ${smallest} % of ${full}`,
      `${selected}; layers on the only path keep their last channel. Ask for more${others}`,
    );
  }
  const nearest = nearestReachable(graph, factors, { of: budget.of, share }, options);
  if (Math.abs(nearest - share) <= LARGEST_GAP) return;
  throw refusal(
    budget,
    `whole structures of ${graph.name} cannot come near the budget`,
    `${percent(nearest)} of ${full}, the nearest that they can come to`,
    `${selected}. Ask for ${percent(nearest)}${others}`,
  );
}

function refusal(budget: Budget, message: string, expected: string, hint: string): UserError {
  return new UserError("bad-option", message, { about: "budget", expected, received: describeBudget(budget), hint });
}

function nothingToPrune(graph: Graph): UserError {
  return new UserError("bad-option", `${graph.name} has no structures that can be pruned`, {
    about: "budget",
    hint: "Leave --budget out to train without pruning",
    list: refusedLayers(graph).map(({ layers, reason }) => `${layers.slice(0, MOST_LISTED).join(", ")}: ${reason}`),
  });
}

/** The kinds of structures that are pruned. */
function kindsOf(factors: readonly Factor[]): readonly FactorKind[] {
  return factorKinds.filter((kind) => factors.some((factor) => factor.kind === kind && factor.gamma > 0));
}

/** The kinds of structures that a network with these factors has besides those that are pruned. */
export function otherKinds(graph: Graph, factors: readonly Factor[]): readonly FactorKind[] {
  const selected = new Set(kindsOf(factors));
  return structureKinds(withoutFactors(graph)).filter((kind) => !selected.has(kind));
}

/** `neurons and blocks` */
export function listOf(kinds: readonly FactorKind[]): string {
  return kinds.map((kind) => `${kind}s`).join(" and ");
}

/** `share`, 0 … 1, as `50.0 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

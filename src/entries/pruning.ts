/**
 * `espalier/pruning`: the steps of the method. It places scaling factors, folds them into parameters, computes the cost
 * of structures in MACs, parameters and milliseconds, chooses γ for a budget, and prunes structures whose factors are
 * zero.
 */
export { predictLatency } from "../latency/predict.ts";
export type { LatencyTable, LayerTimes } from "../latency/table.ts";
export { formatLatencyTable, parseLatencyTable } from "../latency/table.ts";
export { applyCuts } from "../pruning/apply.ts";
export type { Compact, CompactOptions } from "../pruning/compact.ts";
export { compact, cutList } from "../pruning/compact.ts";
export type { CutList, CutStep, LayerCut } from "../pruning/cut-list.ts";
export { parseCutList } from "../pruning/cut-list.ts";
export { printCuts } from "../pruning/print.ts";
export type { Budget } from "../selection/budget.ts";
export { describeBudget, parseBudget } from "../selection/budget.ts";
export type { BudgetControllerOptions, ControllerState, Observation } from "../selection/budget-controller.ts";
export { BudgetController } from "../selection/budget-controller.ts";
export type { CostKind, CostModel, CostOptions, RemainingCost } from "../selection/cost-model.ts";
export { costKinds, costModel } from "../selection/cost-model.ts";
export type { Factor, FactorKind, KeptFactors, Selection } from "../selection/factors.ts";
export { factorsOf, gammaFeeds, gammasOf, keptFactors } from "../selection/factors.ts";
export { bake, fold } from "../selection/fold.ts";
export type { Placement } from "../selection/place.ts";
export { place } from "../selection/place.ts";
export type { FactorCost, GammaMeasure, StructureCosts } from "../selection/structure-costs.ts";
export { shareGamma, structureCosts } from "../selection/structure-costs.ts";

/** Estimates, soon after a run from trained weights has started, the accuracy and the time that pruning will cost. */
import { performance } from "node:perf_hooks";
import { networkCost } from "../../latency/predict.ts";
import { type Budget, budgetShare, describeBudget } from "../../selection/budget.ts";
import type { Session } from "../session/session.ts";
import type { RunHook, TrainingRun } from "./run-hook.ts";

/** The pace is known after at least 3 steps and 3 seconds, or after 50 steps. */
const FEWEST_STEPS = 3;
const FEWEST_MILLISECONDS = 3000;
const ENOUGH_STEPS = 50;

/** In fewer epochs the network loses more than usual. */
const USUAL_EPOCHS = 15;

/**
 * Points of accuracy that are usually lost, by the share of the MACs that is left at least: a rule of thumb from what
 * docs/training.md lists.
 */
const usualLosses = [
  [0.65, "less than 1 point"],
  [0.4, "0.5 to 1 point"],
  [0.25, "1 to 3 points"],
  [0, "3 points or more"],
] as const;

/** `0.5 to 1 point`: what is usually lost if `share` of the MACs, 0 … 1, is left. */
export function usualLoss(share: number): string {
  return usualLosses.find(([least]) => share >= least)?.[1] ?? "";
}

/** `about 40 minutes`: `seconds`, rounded as an estimate should be. */
export function roughDuration(seconds: number): string {
  const minutes = seconds / 60;
  if (minutes < 1) return "less than a minute";
  if (minutes < 1.5) return "about a minute";
  if (minutes < 10) return `about ${Math.round(minutes)} minutes`;
  if (minutes < 87.5) return `about ${5 * Math.round(minutes / 5)} minutes`;
  const hours = minutes / 60;
  return hours < 47.5 ? `about ${Number(hours.toPrecision(2))} hours` : `about ${Math.round(hours / 24)} days`;
}

interface PlannedRun {
  readonly budget: Budget;
  /** Share of the MACs that is to be left, if the budget is one of MACs. */
  readonly share?: number;
  readonly epochs: number;
  /** Of the whole run, at the pace of the full network. */
  readonly seconds: number;
}

/** A sentence about the accuracy and the time that the run will cost. */
export function outlook({ budget, share, epochs, seconds }: PlannedRun): string {
  const time = `${epochs === 1 ? "1 epoch takes" : `${epochs} epochs take`} ${roughDuration(seconds)} here`;
  const faster = "less once the network is smaller";
  if (share === undefined) return `${time}, ${faster}`;
  const more = epochs < USUAL_EPOCHS ? `, and more in fewer than ${USUAL_EPOCHS} epochs` : "";
  const loss = `Pruning to ${describeBudget(budget)} usually costs ${usualLoss(share)} of accuracy${more}`;
  return `${loss}; ${time}, ${faster}`;
}

export class Outlook implements RunHook {
  readonly name: string = "outlook";
  readonly #session: Session;
  readonly #budget: Budget;
  #startedAt = 0;
  #steps = 0;
  #isDone = false;

  constructor(session: Session, budget: Budget) {
    this.#session = session;
    this.#budget = budget;
  }

  begin(): void {
    this.#startedAt = performance.now();
  }

  afterStep(run: TrainingRun): void {
    if (this.#isDone) return;
    this.#steps++;
    const milliseconds = performance.now() - this.#startedAt;
    const isKnown = this.#steps >= FEWEST_STEPS && milliseconds >= FEWEST_MILLISECONDS;
    if (!isKnown && this.#steps < ENOUGH_STEPS) return;
    this.#isDone = true;
    const { graph, latencyTable, settings } = this.#session;
    const budget = this.#budget;
    const share = budget.of === "macs" ? { share: budgetShare(budget, networkCost(graph, latencyTable)) } : {};
    const seconds = (milliseconds / 1000 / this.#steps) * run.totalSteps;
    run.emit({ type: "notice", message: outlook({ budget, ...share, epochs: settings.epochs, seconds }) });
  }
}

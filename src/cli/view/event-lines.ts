/** Turns events into lines that stay on the screen. They do not depend on whether lines are redrawn below them. */
import { agreementLines } from "../../report/agreement-words.ts";
import { recallWords } from "../../report/class-results.ts";
import { freedomOf } from "../../report/facts.ts";
import {
  formatCount,
  formatEpochs,
  formatMilliseconds,
  formatPercent,
  formatQuantity,
  formatSmall,
  percentOf,
  plural,
} from "../../report/format.ts";
import { latencyFacts, slownessRemark } from "../../report/latency-card.ts";
import { type EpochOfRanks, exposedWords, ranksWords, waitedFor, waitedWords, waitWords } from "../../report/ranks.ts";
import { describeBudget } from "../../selection/budget.ts";
import { costNames } from "../../selection/cost-model.ts";
import { describeBaselineNetwork } from "../../training/events/baseline-kinds.ts";
import type {
  BudgetProgress,
  ClassResults,
  Communicated,
  LatencyMeasured,
  NetworkShrunk,
  RunEvent,
  RunFinished,
  RunStarted,
} from "../../training/events/events.ts";
import { budgetSchema } from "../../training/settings/pruning.ts";
import { fitParts, type Terminal } from "../terminal.ts";
import { type EpochRows, epochRows } from "./epoch-rows.ts";
import { certificateLines, cutLines, int8Lines, summaryLines } from "./run-summary.ts";

/** Which run a from-scratch baseline belongs to, and what both have in common. */
function controlLines({ controlOf }: RunStarted): string[] {
  if (controlOf === undefined) return [];
  const { run, same, trainingMacs } = controlOf;
  const share = formatPercent(percentOf(trainingMacs.control, trainingMacs.run));
  const common = same === "epochs" ? `equal epochs, ${share} of its training MACs` : `${share} of its training MACs`;
  return [`  from-scratch baseline of ${run}: ${describeBaselineNetwork(controlOf)} with new weights, ${common}`];
}

/** `, batches of 256 in 8 parts`; empty if batches are not split. */
function partsOf({ batch, accumulate }: RunStarted["options"]): string {
  return typeof accumulate === "number" && accumulate > 1 ? `, batches of ${String(batch)} in ${accumulate} parts` : "";
}

/** What the run will do, in a few lines. */
function openingLines(started: RunStarted, terminal: Terminal): string[] {
  const { colours } = terminal;
  const { model, dataset, epochs, cost, factors, engine, resumedFrom } = started;
  const gammas = [...new Map(factors.map(({ kind, gamma }) => [kind, `${kind}s ${gamma}`] as const)).values()];
  const { gammaBy } = started.options;
  const shared =
    gammaBy === "macs" || gammaBy === "parameters" || gammaBy === "latency" ? [`scaled by ${gammaBy}`] : [];
  const structures = factors.reduce((sum, { count }) => sum + count, 0);
  const budget = budgetWords(started);
  const selection =
    structures === 0
      ? ["no scaling factors"]
      : budget !== undefined
        ? [budget.aim, plural(structures, "structure"), ...budget.shared]
        : [`γ ${gammas[0]}`, ...gammas.slice(1), ...shared, plural(structures, "structure")];
  const costs = [
    `${formatQuantity(cost.macs)} MACs`,
    `${formatQuantity(cost.parameters)} parameters`,
    ...(cost.latency === undefined ? [] : [`${formatMilliseconds(cost.latency)} predicted`]),
  ];
  const threads = engine["threads"];
  const machine = [
    engine["name"],
    engine["library"],
    threads === undefined ? undefined : plural(Number(threads), "thread"),
    engine["ranks"] === undefined ? undefined : `${engine["ranks"]} ranks`,
  ].filter((part) => part !== undefined);
  const length = `${plural(epochs, "epoch")} of ${plural(dataset.trainImages, "image")}${partsOf(started.options)}`;
  return [
    "",
    `  ${colours.bold(model)} on ${colours.bold(dataset.name)}  ${colours.dim(length)}`,
    ...[costs, selection, machine].map((parts) => colours.dim(`  ${fitParts(parts, terminal.width() - 2, ", ")}`)),
    ...controlLines(started),
    ...(resumedFrom === null ? [] : [`  resumed from step ${resumedFrom}`]),
    "",
  ];
}

/**
 * `budget: 50 % of the MACs`, and for several kinds `γ of neurons : blocks = 1 : 16`; undefined without a budget.
 */
function budgetWords({
  options,
  factors,
}: RunStarted): { readonly aim: string; readonly shared: readonly string[] } | undefined {
  const budget = budgetSchema.safeParse(options["budget"]);
  if (!budget.success) return undefined;
  const ratios = new Map(factors.map(({ kind, gamma }) => [`${kind}s`, gamma] as const));
  const shared = `γ of ${[...ratios.keys()].join(" : ")} = ${[...ratios.values()].join(" : ")}`;
  return { aim: `budget: ${describeBudget(budget.data)}`, shared: ratios.size > 1 ? [shared] : [] };
}

/** What was pruned during training. */
function shrunkLines({ cuts, before, after, rebuildMilliseconds }: NetworkShrunk, { colours }: Terminal): string[] {
  const margins = cuts.flatMap(({ margin }) => margin ?? []);
  const macs = `${formatQuantity(before.macs)} → ${formatQuantity(after.macs)} MACs`;
  const lowest = `lowest margin ${formatSmall(Math.min(...margins))}`;
  return [
    `  ${colours.green("✂")} ${plural(cuts.length, "structure")} pruned while training: ${macs}`,
    colours.dim(
      `    ${margins.length > 0 ? `${lowest}, ` : ""}smaller plans in ${formatMilliseconds(rebuildMilliseconds)}`,
    ),
  ];
}

/** If the others wait for a rank for more than this part of an epoch, a line names the rank. */
const SLOW_SHARE = 0.05;

/** How long ranks waited for all-reduces that the backward pass did not hide, and which rank was slow. */
function communicationLines(
  { ranks, exposedMilliseconds, underWayMilliseconds, stepMilliseconds, slowest }: Communicated,
  { colours }: Terminal,
): string[] {
  const [exposed, underWay] = [exposedMilliseconds, underWayMilliseconds].map(formatMilliseconds);
  const share = formatPercent(stepMilliseconds === 0 ? 0 : (100 * exposedMilliseconds) / stepMilliseconds);
  const waited = waitWords(slowest.waitedMilliseconds);
  const slow = `rank ${slowest.rank} on ${slowest.host} is slow`;
  return [
    colours.dim(`    ${ranks} ranks: each step waited ${exposed} (${share}) for all-reduces, which took ${underWay}`),
    ...(slowest.share > SLOW_SHARE
      ? [
          `  ${colours.yellow("!")} ${slow}: the others waited ${waited} for it, ` +
            `${formatPercent(100 * slowest.share)} of the epoch`,
        ]
      : []),
  ];
}

/** How long several ranks waited for each other in the whole run. */
function ranksLines(epochs: readonly EpochOfRanks[]): readonly string[] {
  if (epochs.length === 0) return [];
  const [longest] = waitedFor(epochs);
  const waited = longest === undefined ? [] : [`others waited ${waitedWords(longest)}`];
  return [`${ranksWords(epochs)}: ${exposedWords(epochs)}`, ...waited];
}

/** Turns the events of one run into lines to print. It remembers the columns of the table of epochs. */
export class Narrator {
  readonly #terminal: Terminal;
  #rows: EpochRows | undefined;
  #isMet = false;
  readonly #ofRanks: EpochOfRanks[] = [];
  #classes: ClassResults | undefined;
  #started: RunStarted | undefined;
  #latency: LatencyMeasured | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** A line when the budget is met, or exceeded again. */
  #budgetLines({ isMet, left, share, of }: BudgetProgress): readonly string[] {
    if (isMet === this.#isMet) return [];
    this.#isMet = isMet;
    const now = `${formatPercent(100 * left)} of the ${costNames[of]} left`;
    const both = `${now}, the budget is ${formatPercent(100 * share)}`;
    const { green, yellow } = this.#terminal.colours;
    return isMet ? [`  ${green("✓")} budget met: ${both}`] : [`  ${yellow("!")} above the budget again: ${both}`];
  }

  /** Why fewer MACs did not become less time, if so. */
  #slownessLines(finished: RunFinished): readonly string[] {
    const [started, latency] = [this.#started, this.#latency];
    const remark = started === undefined ? undefined : slownessRemark({ started, finished, latency });
    return remark === undefined ? [] : [`  ${this.#terminal.colours.yellow("!")} ${remark}`];
  }

  /** Lines for `event`. There are none for events that only the redrawn lines or the report show. */
  linesFor(event: RunEvent): readonly string[] {
    const { colours } = this.#terminal;
    switch (event.type) {
      case "run.started":
        this.#rows = epochRows(event, this.#terminal);
        this.#isMet = false;
        this.#started = event;
        this.#classes = undefined;
        this.#latency = undefined;
        return [...openingLines(event, this.#terminal), this.#rows.heading];
      case "epoch":
        return this.#rows === undefined ? [] : [this.#rows.row(event)];
      case "notice":
        return [`  ${colours.yellow("!")} ${event.message}`];
      case "warning":
        return [`  ${colours.red("!")} ${colours.bold(event.message)}`, colours.dim(`    ${event.hint}`)];
      case "budget":
        return this.#budgetLines(event);
      case "network.shrunk":
        return shrunkLines(event, this.#terminal);
      case "shrink.measured": {
        const { before, after } = event.imagesPerSecond;
        return [colours.dim(`    ${formatCount(Math.round(before))} → ${formatCount(Math.round(after))} images/s`)];
      }
      case "communication":
        this.#ofRanks.push(event);
        return communicationLines(event, this.#terminal);
      case "cut":
        return ["", ...cutLines(event, this.#terminal)];
      case "certificate":
        return certificateLines(event, this.#terminal);
      case "latency": {
        const { before, after } = event;
        this.#latency = event;
        return [
          `  ${colours.green("✓")} latency ${formatMilliseconds(before.median)} → ${formatMilliseconds(after.median)}`,
          colours.dim(`    in ONNX Runtime, medians and quartiles of ${before.runs} runs`),
          ...latencyFacts(event).map(([conditions, times]) => colours.dim(`    ${conditions}: ${times}`)),
        ];
      }
      case "int8.begun":
        return [
          `  ${colours.green("✓")} 8-bit integers are simulated in the last ${formatEpochs(event.epochs)}, ` +
            `in ${plural(event.layers, "layer")}`,
        ];
      case "int8":
        return int8Lines(event, this.#terminal);
      case "classes":
        this.#classes = event;
        return [];
      case "run.finished":
        return [
          "",
          ...summaryLines(event, this.#terminal),
          colours.dim(
            event.after.outputs === undefined
              ? `  ${scoreWord(event)} on ${plural(event.testImages, "test image")}`
              : `  agreement with the original's outputs on ${plural(event.testImages, "test image")}:`,
          ),
          ...agreementLines(event.after).map((line) => colours.dim(`    ${line}`)),
          ...this.#slownessLines(event),
          ...[
            ...(this.#classes === undefined ? [] : [recallWords(this.#classes)]),
            ...freedomOf(event),
            ...ranksLines(this.#ofRanks),
          ].map((line) => colours.dim(`  ${line}`)),
        ];
      // Other views show the rest.
      default:
        return [];
    }
  }
}

/** What the accuracies of a run are. */
function scoreWord({ after }: RunFinished): string {
  return after.labels === undefined ? "accuracy" : "mean average precision";
}

/**
 * The history of a run: its events, sorted by type. A resumed run repeats the steps after its checkpoint, so the events
 * of earlier sessions about these steps are dropped.
 */

import { UserError } from "../core/errors.ts";
import type {
  BudgetProgress,
  CertificateMeasured,
  ClassResults,
  Communicated,
  Cut,
  Epoch,
  Exported,
  Int8Measured,
  LatencyMeasured,
  NetworkShrunk,
  Notice,
  RunEvent,
  RunFinished,
  RunStarted,
  ShrinkMeasured,
  Step,
  StructureKind,
  Warning,
} from "../training/events/events.ts";
import { LevelTable } from "./factor-history.ts";
import type { Levels } from "./heat.ts";

/** One factor parameter over the run. */
export interface StructureLife {
  readonly layer: string;
  readonly kind: StructureKind;
  /** For each structure: the step at which it reached zero for the last time; null if it was alive at the end. */
  readonly zeroedAt: readonly (number | null)[];
}

export interface History {
  /** The last session's event, with the options and the environment at the end. */
  readonly started: RunStarted;
  readonly sessions: number;
  readonly steps: readonly Step[];
  readonly epochs: readonly Epoch[];
  /** Progress of a run with a budget. */
  readonly budgets: readonly BudgetProgress[];
  readonly lives: readonly StructureLife[];
  /** All scaling factors at the end of each epoch. */
  readonly levels: Levels;
  readonly notices: readonly (Notice | Warning)[];
  /** The cuts made while training, with the speed before and after if it was measured. */
  readonly shrinks: readonly { readonly cut: NetworkShrunk; readonly speed: ShrinkMeasured | undefined }[];
  /** One event for each epoch that several ranks trained. */
  readonly communications: readonly Communicated[];
  readonly cut: Cut | undefined;
  readonly certificate: CertificateMeasured | undefined;
  readonly exported: Exported | undefined;
  readonly latency: LatencyMeasured | undefined;
  /** Right answers by class; undefined in runs of earlier versions. */
  readonly classes: ClassResults | undefined;
  readonly int8: Int8Measured | undefined;
  readonly finished: RunFinished | undefined;
}

/** Events of the end of a run. */
const endings: ReadonlySet<RunEvent["type"]> = new Set([
  ...(["cut", "exported", "certificate", "latency", "int8", "classes", "run.finished"] as const),
]);

/** The valid events: those of later sessions replace earlier ones after their checkpoint. */
function validEvents(events: readonly RunEvent[]): RunEvent[] {
  const kept: RunEvent[] = [];
  for (const event of events) {
    if (event.type === "run.started" && event.resumedFrom !== null) {
      const from = event.resumedFrom;
      // A finished run that goes on ends anew.
      const valid = kept.filter(
        (earlier) => earlier.type === "run.started" || (earlier.step <= from && !endings.has(earlier.type)),
      );
      kept.length = 0;
      kept.push(...valid);
    }
    kept.push(event);
  }
  return kept;
}

function lastOf<T extends RunEvent["type"]>(
  events: readonly RunEvent[],
  type: T,
): Extract<RunEvent, { type: T }> | undefined {
  return allOf(events, type).at(-1);
}

function allOf<T extends RunEvent["type"]>(
  events: readonly RunEvent[],
  type: T,
): readonly Extract<RunEvent, { type: T }>[] {
  return events.filter((event): event is Extract<RunEvent, { type: T }> => event.type === type);
}

/** Follows each structure through its zeroed and revived events. */
function livesOf(started: RunStarted, events: readonly RunEvent[]): StructureLife[] {
  const zeroedAt = new Map<string, (number | null)[]>();
  const key = (layer: string, kind: StructureKind): string => `${kind} ${layer}`;
  for (const { layer, kind, count } of started.factors) {
    zeroedAt.set(key(layer, kind), new Array<number | null>(count).fill(null));
  }
  for (const event of events) {
    if (event.type !== "structure.zeroed" && event.type !== "structure.revived") continue;
    const steps = zeroedAt.get(key(event.layer, event.kind));
    if (steps !== undefined && event.index < steps.length) {
      steps[event.index] = event.type === "structure.zeroed" ? event.step : null;
    }
  }
  return started.factors.map(({ layer, kind }) => ({
    layer,
    kind,
    zeroedAt: zeroedAt.get(key(layer, kind)) ?? [],
  }));
}

function levelsOf(events: readonly RunEvent[]): Levels {
  const table = new LevelTable();
  for (const event of events) table.add(event);
  return table.table();
}

/** Each cut with its measurement, which comes before the next cut. */
function shrinksOf(events: readonly RunEvent[]): History["shrinks"] {
  const cuts = allOf(events, "network.shrunk");
  const speeds = allOf(events, "shrink.measured");
  return cuts.map((cut, index) => {
    const end = cuts[index + 1]?.step ?? Number.POSITIVE_INFINITY;
    return { cut, speed: speeds.find(({ step }) => step > cut.step && step <= end) };
  });
}

/** @throws UserError "bad-file" if `events` have no `run.started`. */
export function historyOf(events: readonly RunEvent[]): History {
  const valid = validEvents(events);
  const started = lastOf(valid, "run.started");
  if (started === undefined) {
    throw new UserError("bad-file", "the events have no run.started", { hint: "Is this the folder of a run?" });
  }
  return {
    started,
    sessions: allOf(valid, "run.started").length,
    steps: allOf(valid, "step"),
    epochs: allOf(valid, "epoch"),
    budgets: allOf(valid, "budget"),
    lives: livesOf(started, valid),
    levels: levelsOf(valid),
    notices: valid.filter((event): event is Notice | Warning => event.type === "notice" || event.type === "warning"),
    shrinks: shrinksOf(valid),
    communications: allOf(valid, "communication"),
    cut: lastOf(valid, "cut"),
    certificate: lastOf(valid, "certificate"),
    exported: lastOf(valid, "exported"),
    latency: lastOf(valid, "latency"),
    int8: lastOf(valid, "int8"),
    classes: lastOf(valid, "classes"),
    finished: lastOf(valid, "run.finished"),
  };
}

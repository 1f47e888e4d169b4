/** The events at the beginning of a session: what is trained, on what, and what the user should know about it. */
import { optional } from "../../core/optional.ts";
import { networkCost } from "../../latency/predict.ts";
import { describeTable } from "../../latency/table.ts";
import { reportUnreadable } from "../progress/unreadable.ts";
import type { RunWriter } from "../run-folder/run-writer.ts";
import { classBalanceNotes } from "../start/data/class-balance.ts";
import type { RunStart } from "../start/run-start.ts";
import { engineOf } from "./run-scope.ts";
import { epochOf, type Session } from "./session.ts";

export function announce(
  session: Session,
  { emitter }: RunWriter,
  { record, resumedFrom, notices, warning }: RunStart,
): void {
  const { dataset, settings, graph, factors, totalSteps, latencyTable } = session;
  const { name, classes, train, test } = dataset;
  emitter.moveTo(resumedFrom ?? 0, epochOf(resumedFrom ?? 0, session));
  emitter.emit({
    type: "run.started",
    run: record.name,
    model: record.model,
    dataset: { name, classes: classes.length, trainImages: train.count, testImages: test.count },
    options: { ...settings },
    epochs: settings.epochs,
    stepsPerEpoch: session.stepsPerEpoch,
    totalSteps,
    cost: networkCost(graph, latencyTable),
    factors: factors.map(({ parameter, layer, kind, count, gamma }) => ({ parameter, layer, kind, count, gamma })),
    engine: engineOf(session),
    environment: record.environment,
    ...optional({ controlOf: record.controlOf }),
    resumedFrom,
  });
  const notice = (message: string): void => emitter.emit({ type: "notice", message });
  if (latencyTable !== undefined) notice(`Latency is predicted for: ${describeTable(latencyTable)}`);
  for (const message of [...(dataset.notes ?? []), ...classBalanceNotes(dataset, settings)]) notice(message);
  reportUnreadable(dataset, emitter);
  for (const message of new Set([...session.network.notices, ...notices])) notice(message);
  if (warning !== undefined) emitter.emit(warning);
}

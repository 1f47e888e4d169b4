/** Measurements in the form that the events at the end of a run have them. */
import type { Accuracy } from "../../evaluation/accuracy.ts";
import { f1Of, precisionOf } from "../../evaluation/label-scores.ts";
import type { Latency } from "../../evaluation/latency.ts";
import type { ClassResults, LatencyFigures } from "../events/events.ts";

export function latencyFigures({ median, lowerQuartile, upperQuartile, rounds }: Latency): LatencyFigures {
  return { median, lowerQuartile, upperQuartile, runs: rounds };
}

type LabelFigures = NonNullable<ClassResults["classes"][number]["figures"]>;

/** Scores of label number `label` before and after the cut; nothing if images have one label each. */
export function labelFigures(before: Accuracy, after: Accuracy, label: number): { readonly figures?: LabelFigures } {
  const [trained, pruned] = [figuresOf(before, label), figuresOf(after, label)];
  return trained === undefined || pruned === undefined ? {} : { figures: { before: trained, after: pruned } };
}

function figuresOf({ classes, labels }: Accuracy, label: number): LabelFigures["after"] | undefined {
  const tally = classes[label];
  if (labels === undefined || tally === undefined) return undefined;
  const averagePrecision = labels.averagePrecision[label] ?? null;
  return { averagePrecision, precision: precisionOf(tally), f1: f1Of(tally) };
}

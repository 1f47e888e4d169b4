/** The figures of one label at the end of a run, for its event. */
import type { Accuracy } from "../../evaluation/accuracy.ts";
import { f1Of, precisionOf } from "../../evaluation/label-scores.ts";
import type { ClassResults } from "../events/events.ts";

type Figures = NonNullable<ClassResults["classes"][number]["figures"]>;

/** Those of label number `label` before and after; nothing if images have one label each. */
export function labelFigures(before: Accuracy, after: Accuracy, label: number): { readonly figures?: Figures } {
  const [was, is] = [figuresOf(before, label), figuresOf(after, label)];
  return was === undefined || is === undefined ? {} : { figures: { before: was, after: is } };
}

function figuresOf({ classes, labels }: Accuracy, label: number): Figures["after"] | undefined {
  const tally = classes[label];
  if (labels === undefined || tally === undefined) return undefined;
  const averagePrecision = labels.averagePrecision[label] ?? null;
  return { averagePrecision, precision: precisionOf(tally), f1: f1Of(tally) };
}

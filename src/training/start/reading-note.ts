/** Tells the user how the outputs of a network are interpreted as classes, if that is not the largest logit. */
import type { Dataset } from "../../data/dataset.ts";
import { singleScoreNote } from "../../evaluation/two-classes.ts";
import type { Graph } from "../../graph/graph.ts";
import { lastSigmoid } from "../../graph/logits.ts";
import type { Settings } from "../settings/settings.ts";

/** The sentence about `graph` on `dataset`; undefined if it needs none. */
export function readingNote(
  graph: Graph,
  { classes, labelSets }: Dataset,
  { teach }: Pick<Settings, "teach"> = {},
): string | undefined {
  if (teach !== undefined) return undefined;
  if (labelSets === undefined) return singleScoreNote(graph, classes) ?? sigmoidsNote(graph);
  const [output, threshold] = lastSigmoid(graph) === undefined ? ["logit", "0"] : ["probability", "0.5"];
  return `An image may have any number of labels: a class counts as present if its ${output} is above ${threshold}`;
}

function sigmoidsNote(graph: Graph): string | undefined {
  if (lastSigmoid(graph) === undefined) return undefined;
  return (
    "The network has a sigmoid for each class, and each image has one label: the class with the highest value is " +
    "the answer. For images with several labels give --task multi-label"
  );
}

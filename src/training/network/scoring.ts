/** The classifier that scores a network in training. */
import type { PlanHandle } from "../../engine/host.ts";
import { type Classifier, planClassifier } from "../../evaluation/classifier.ts";
import { inTwoClasses } from "../../evaluation/two-classes.ts";
import type { Graph } from "../../graph/graph.ts";
import type { LiveNetworkOptions } from "./training-plans.ts";

/** A classifier over `plan`, the plan of `graph`. Outputs that are taught or of several labels stay as they are. */
export function scoringClassifier(
  plan: PlanHandle,
  graph: Graph,
  { evaluationBatch, taught, isMultiLabel }: Pick<LiveNetworkOptions, "evaluationBatch" | "taught" | "isMultiLabel">,
): Classifier {
  const classifier = planClassifier(plan, graph, evaluationBatch);
  return taught === undefined && isMultiLabel !== true ? inTwoClasses(classifier, graph) : classifier;
}

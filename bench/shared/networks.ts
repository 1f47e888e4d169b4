/** The networks of the benches, by name, with and without scaling factors. */

import type { StepSubject } from "../../src/evaluation/step-time.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import { model } from "../../src/models/zoo.ts";
import { selectionKeys } from "../../src/selection/factors.ts";
import { place, structureKinds } from "../../src/selection/place.ts";

export function plainGraph(name: string): Graph {
  return model(name);
}

export function plainSubject(name: string): StepSubject {
  const graph = plainGraph(name);
  return { network: { graph, weights: initialize(graph, 1) }, factors: [] };
}

/** Adds a factor to every neuron, or to every group if the network has no neurons. */
export function subjectWithFactors(name: string): StepSubject {
  const plain = plainGraph(name);
  const kind = structureKinds(plain).find((one) => one === "neuron" || one === "group");
  if (kind === undefined) throw new Error(`${name} has neither neurons nor groups to select`);
  const { graph, factors } = place(plain, { [selectionKeys[kind]]: 1e-3 });
  // Layers need not keep a last factor here, so that figures stay comparable with those of earlier versions.
  const free = factors.map((factor) => ({ ...factor, keepLast: false }));
  return { network: { graph, weights: initialize(graph, 1) }, factors: free };
}

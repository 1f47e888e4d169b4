/**
 * Gradient accumulation: splits a training step into several smaller batches that need less memory. One graph contains
 * a forward and a backward pass for each batch, one after another, so a plan keeps the activations of only one batch at
 * a time. The gradients are summed, and the optimizers step once. The result is that of the whole batch, with one
 * exception: batch normalization uses the statistics of each smaller batch, and each one updates the running
 * statistics.
 */
import { type Graph, makeNode, type Node } from "../graph/graph.ts";
import { withShare } from "./loss.ts";

/** The ops that run once, after all batches. */
const closing: ReadonlySet<string> = new Set([
  "nesterov_sgd",
  "muon",
  "accelerated_proximal_gradient",
  "zero_margin",
  "clip_factor",
]);

/** The name of a value or an input of the step in batch `index`, from 0. */
export function inBatch(name: string, index: number): string {
  return `${name} of batch ${index + 1}`;
}

/**
 * The training graph `step` over `count` batches. Its inputs with a batch axis and its outputs occur once per batch,
 * with the names of `inBatch`. The outputs of all batches add up to those of the whole step. Parameters and other
 * inputs keep their names.
 */
export function accumulate(step: Graph, count: number): Graph {
  if (count === 1) return step;
  const perBatch = new Set(step.inputs.filter(({ shape }) => shape[0] === "N").map(({ name }) => name));
  const repeated = new Set<Node>();
  for (const node of step.nodes) {
    if (closing.has(node.op) || !node.inputs.some((input) => perBatch.has(input))) continue;
    repeated.add(node);
    for (const output of node.outputs) perBatch.add(output);
  }
  const last = step.nodes.filter(({ op }) => closing.has(op));
  const gradients = new Set(last.flatMap(({ inputs }) => inputs.filter((input) => perBatch.has(input))));
  const carried = new Map(
    step.updates.flatMap(({ parameter, value }) => (perBatch.has(value) ? [[parameter, value]] : [])),
  );
  const isFinal = (name: string): boolean => [...carried.values()].includes(name);
  const batches = Array.from({ length: count }, (_, index): Node[] => {
    const nameOf = (name: string): string => {
      // Each batch updates the running statistics of the batch before.
      const before = carried.get(name);
      if (before !== undefined) return index === 0 ? name : inBatch(before, index - 1);
      if (index === count - 1 && isFinal(name)) return name;
      return perBatch.has(name) ? inBatch(name, index) : name;
    };
    const nodes = step.nodes
      .filter((node) => repeated.has(node))
      .map((node): Node => {
        const renamed = {
          ...node,
          name: inBatch(node.name, index),
          inputs: node.inputs.map(nameOf),
          outputs: node.outputs.map(nameOf),
        };
        return withShare(renamed, count);
      });
    const sums = [...gradients].map((name): Node => {
      const total = index === 1 ? inBatch(name, 0) : partialSum(name, index - 1);
      const sum = index === count - 1 ? name : partialSum(name, index);
      return makeNode("add", `${sum}.sum`, [total, inBatch(name, index)], [sum], {});
    });
    return index === 0 ? nodes : [...nodes, ...sums];
  });
  return {
    ...step,
    name: `${step.name}, ${count} batches a step`,
    inputs: step.inputs.flatMap((input) =>
      perBatch.has(input.name)
        ? Array.from({ length: count }, (_, index) => ({ ...input, name: inBatch(input.name, index) }))
        : [input],
    ),
    nodes: [...step.nodes.filter((node) => !repeated.has(node) && !closing.has(node.op)), ...batches.flat(), ...last],
    outputs: step.outputs.flatMap((output) => Array.from({ length: count }, (_, index) => inBatch(output, index))),
  };
}

function partialSum(gradient: string, index: number): string {
  return `${gradient} up to batch ${index + 1}`;
}

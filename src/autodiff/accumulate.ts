/**
 * A training step made of several smaller batches, for images that do not fit into memory at once: forward and backward
 * pass once for each, one after another in one graph, so that the arena of a plan holds the activations of one at a
 * time; gradients are added up as they come, and the optimizers step once. The result is that of the whole batch, with
 * the statistics of batch normalization taken from each smaller batch, and the running ones carried on from one to the
 * next.
 */
import { type Graph, makeNode, type Node } from "../graph/graph.ts";

/** Nodes that come once, after all batches. */
const closing: ReadonlySet<string> = new Set([
  "nesterov_sgd",
  "accelerated_proximal_gradient",
  "zero_margin",
  "clip_factor",
]);

/** What a value or an input of the step is called in batch `index`, from 0. */
export function inBatch(name: string, index: number): string {
  return `${name} of batch ${index + 1}`;
}

/**
 * `step`, a training graph, over `count` batches. Its inputs of images and what goes with them, and its outputs, come
 * once a batch under the names of `inBatch`; the outputs are parts of the whole step's, to be summed. Parameters and
 * other inputs keep theirs.
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
      // A running statistic goes on from where the batch before left it.
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

/** Loss and gradients of a batch as its part of the step's. */
function withShare(node: Node, count: number): Node {
  switch (node.op) {
    case "softmax_cross_entropy":
      return makeNode(node.op, node.name, node.inputs, node.outputs, { share: (node.attributes.share ?? 1) / count });
    case "soft_cross_entropy": {
      const terms = node.attributes.terms.map((term) => ({ ...term, weight: term.weight / count }));
      return makeNode(node.op, node.name, node.inputs, node.outputs, { terms });
    }
    default:
      return node;
  }
}

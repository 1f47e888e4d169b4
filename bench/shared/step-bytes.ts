/**
 * The bytes that a step of a plan must move at least, from the shapes of its node's operands: images in the plan's
 * precision, other values in four bytes. Each operand counts once, without the padding of channels.
 */
import { elementCount } from "../../src/core/tensor.ts";
import type { PlanStep, Precision } from "../../src/engine/engine.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { inferShapes } from "../../src/graph/shapes.ts";

/**
 * Bytes for each step of a plan; 0 if its node is unknown. If a node has several steps, its bytes count for the step
 * that takes longest.
 */
export function bytesOfSteps(
  graph: Graph,
  batch: number,
  precision: Precision,
  steps: readonly PlanStep[],
): readonly number[] {
  const shapes = inferShapes(graph, batch);
  const parameters = new Set(graph.parameters.map(({ name }) => name));
  const nodes = new Map(graph.nodes.map((node) => [node.name, node] as const));
  const bytesOf = (value: string): number => {
    const shape = shapes.get(value) ?? [];
    const isImages = shape.length === 4 && shape[0] === batch && !parameters.has(value);
    return elementCount(shape) * (isImages && precision === "bf16" ? 2 : 4);
  };
  const longest = new Map<string, PlanStep>();
  for (const step of steps) {
    if (step.op === "reorder") continue;
    if (step.milliseconds >= (longest.get(step.node)?.milliseconds ?? 0)) longest.set(step.node, step);
  }
  return steps.map((step) => {
    // A reorder is named after the value that it copies.
    if (step.op === "reorder") return shapes.has(step.node) ? 2 * bytesOf(step.node) : 0;
    const node = longest.get(step.node) === step ? nodes.get(step.node) : undefined;
    return [...(node?.inputs ?? []), ...(node?.outputs ?? [])].reduce((sum, value) => sum + bytesOf(value), 0);
  });
}

/**
 * Finds the residual branches of a graph from its shape alone. An addition ends a residual block if both operands come
 * from a common value, one of them (the shortcut) by at most one layer with weights, the other (the branch) by more. So
 * the shortcut may be the value itself, subsampled and padded (option A), or a convolution with its batch norm.
 */
import type { Graph, Node } from "../graph/graph.ts";
import { producers } from "../graph/graph.ts";

export interface Branch {
  /** The addition that ends the block. */
  readonly addition: string;
  /** Slot of the addition that the branch feeds. */
  readonly slot: number;
}

/** Values that `value` is made from, itself included; parameters and inputs too. */
function ancestors(value: string, makers: ReadonlyMap<string, Node>): Set<string> {
  const found = new Set<string>();
  const pending = [value];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    pending.push(...(makers.get(next)?.inputs ?? []));
  }
  return found;
}

/** The residual branches of `graph`, in execution order. */
export function residualBranches(graph: Graph): readonly Branch[] {
  const makers = producers(graph);
  const weights = new Set(graph.parameters.filter(({ kind }) => kind === "weights").map(({ name }) => name));
  const parameters = new Set(graph.parameters.map(({ name }) => name));
  return graph.nodes.flatMap((node): Branch[] => {
    if (node.op !== "add") return [];
    const [a, b] = node.inputs.map((operand) => ancestors(operand, makers));
    if (a === undefined || b === undefined) return [];
    // Layers that one operand has passed and the other has not.
    const layersOnly = (own: Set<string>, other: Set<string>): number =>
      [...own].filter((value) => weights.has(value) && !other.has(value)).length;
    const [layersA, layersB] = [layersOnly(a, b), layersOnly(b, a)];
    const haveCommonSource = [...a].some((value) => b.has(value) && !parameters.has(value));
    if (!haveCommonSource || layersA === layersB || Math.min(layersA, layersB) > 1) return [];
    return [{ addition: node.name, slot: layersA > layersB ? 0 : 1 }];
  });
}

/**
 * Finds branches that have lost all their neurons during training. The input of their last batch norm is zero:
 *
 *     x + λ·BN(0; scale, shift)  =  x + λ·shift
 *
 * The shift and the block's factor λ are still trained. The layers before the batch norm, and its scale, have no effect
 * any more.
 */
import { required } from "../core/errors.ts";
import type { Shape } from "../core/tensor.ts";
import { constantChannels } from "../graph/analysis.ts";
import { type Graph, type Network, type Node, producers, readers, type Weights } from "../graph/graph.ts";
import type { ConstantBranch } from "./cut-list.ts";

/**
 * How much the running mean of a batch norm with zero input may still add to its output. The mean decays with each
 * step, and counts as zero below this value. Activations are about 1.
 */
const NEGLIGIBLE = 1e-7;

/**
 * The branches of `network` that are constant, given the known factors in `zeros`. Branches whose output is zero are
 * not among them: they can be bypassed.
 */
export function findConstantBranches(
  { graph, weights }: Network,
  shapes: ReadonlyMap<string, Shape>,
  zeros: Weights,
): readonly ConstantBranch[] {
  const constants = constantChannels(graph, shapes, zeros);
  const [makers, readersOf] = [producers(graph), readers(graph)];
  const isZero = (value: string): boolean => constants.get(value)?.every((channel) => channel === 0) ?? false;
  return graph.nodes.flatMap((node): ConstantBranch[] => {
    if (node.op !== "add" || node.inputs.some(isZero)) return [];
    const [a = "", b = ""] = node.inputs;
    for (const [branch, by] of [
      [b, a],
      [a, b],
    ] as const) {
      const found = normalizationOf(branch, graph, makers, readersOf);
      if (found === undefined || !isZero(found.normalization.inputs[0] ?? "")) continue;
      const [, , shift = "", mean = ""] = found.normalization.inputs;
      if (hasDecayed(found.normalization, weights)) return [{ node: node.name, by, shift, scales: found.scales, mean }];
    }
    return [];
  });
}

/** The batch norm behind `value`, and the scales between the two, in order; undefined if other nodes read them too. */
function normalizationOf(
  value: string,
  { parameters, outputs }: Graph,
  makers: ReturnType<typeof producers>,
  readersOf: ReturnType<typeof readers>,
): { readonly normalization: Node<"batch_normalization">; readonly scales: readonly string[] } | undefined {
  const names = new Set(parameters.map(({ name }) => name));
  const scales: string[] = [];
  for (let at = value; ; ) {
    const node = makers.get(at);
    if (node === undefined || readersOf.get(at)?.length !== 1 || outputs.includes(at)) return undefined;
    if (node.op === "batch_normalization") return { normalization: node, scales };
    const [src = "", factor = ""] = node.inputs;
    if (node.op !== "scale" || node.attributes.axis !== 1 || !names.has(factor)) return undefined;
    scales.unshift(node.name);
    at = src;
  }
}

/**
 * Whether the running mean of a batch norm with zero input has decayed, so that at inference it adds only its shift.
 */
function hasDecayed({ attributes, inputs }: Node<"batch_normalization">, weights: Weights): boolean {
  const [scale, mean, variance] = [1, 3, 4].map((slot) => {
    const name = inputs[slot] ?? "";
    return required(weights.get(name), `values of "${name}"`).data;
  });
  return (mean ?? new Float32Array()).every((value, channel) => {
    const deviation = Math.sqrt((variance?.[channel] ?? 0) + attributes.epsilon);
    return Math.abs((value * (scale?.[channel] ?? 0)) / deviation) <= NEGLIGIBLE;
  });
}

/**
 * Branches that have lost all their neurons while training goes on. Their last batch norm sees nothing but zeros, and
 * of
 *
 *     x + λ·BN(0; scale, shift)  =  x + λ·shift
 *
 * the shift and the block's factor are still trained: only the layers before the batch norm, and its scale, do no work
 * any more.
 */
import { required } from "../core/errors.ts";
import type { Shape } from "../core/tensor.ts";
import { constantChannels } from "../graph/analysis.ts";
import { type Graph, type Network, type Node, producers, readers, type Weights } from "../graph/graph.ts";
import type { ConstantBranch } from "./cut-list.ts";

/**
 * What the running mean may still add to the output of a batch norm of zeros. It fades with each step, and is taken as
 * gone below this; activations are about 1.
 */
const FORGOTTEN = 1e-7;

/**
 * The branches of `network` that are constant if of its factors what `zeros` has is known. Those that are zero as a
 * whole are not among them: there is a way around them.
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
      if (hasForgotten(found.normalization, weights))
        return [{ node: node.name, by, shift, scales: found.scales, mean }];
    }
    return [];
  });
}

/** The batch norm that `value` is, but for factors (named from the batch norm on), if nothing else reads any of it. */
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
 * Whether the running statistics of a batch norm of zeros have come to say so, so that the network in use adds the
 * shift alone.
 */
function hasForgotten({ attributes, inputs }: Node<"batch_normalization">, weights: Weights): boolean {
  const [scale, mean, variance] = [1, 3, 4].map((slot) => {
    const name = inputs[slot] ?? "";
    return required(weights.get(name), `values of "${name}"`).data;
  });
  return (mean ?? new Float32Array()).every((value, channel) => {
    const deviation = Math.sqrt((variance?.[channel] ?? 0) + attributes.epsilon);
    return Math.abs((value * (scale?.[channel] ?? 0)) / deviation) <= FORGOTTEN;
  });
}

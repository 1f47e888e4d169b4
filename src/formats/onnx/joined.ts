/**
 * A matrix product and the addition behind it are a linear layer, or a convolution of one pixel, with its bias. Only
 * products that were `MatMul` in the file are joined: what this package wrote as two nodes are two.
 */
import { type Node, readers } from "../../graph/graph.ts";

/** `nodes` with each `bias` that is the only reader of a product of `products` (names of values) made part of it. */
export function withJoinedBiases(
  nodes: readonly Node[],
  outputs: readonly string[],
  products: ReadonlySet<string>,
): readonly Node[] {
  if (products.size === 0) return nodes;
  const readersOf = readers({ nodes });
  const biasOf = new Map<string, Node>();
  for (const product of products) {
    const [reader, ...others] = readersOf.get(product) ?? [];
    const isOnly = reader !== undefined && others.length === 0 && !outputs.includes(product);
    if (isOnly && reader.op === "bias" && reader.inputs[0] === product) biasOf.set(product, reader);
  }
  const joined = new Set(biasOf.values());
  return nodes
    .filter((node) => !joined.has(node))
    .map((node) => {
      const bias = biasOf.get(node.outputs[0] ?? "");
      return bias === undefined
        ? node
        : { ...node, inputs: [...node.inputs, bias.inputs[1] ?? ""], outputs: bias.outputs };
    });
}

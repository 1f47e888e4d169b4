/**
 * Fuses a matrix product and the bias added to it into one linear layer, or one 1 × 1 convolution. Only products that
 * were `MatMul` in the file are fused: nodes that this package wrote apart stay apart. So do products of two values,
 * which are no layers, and layers that have a bias.
 */
import { type Node, readers } from "../../graph/graph.ts";

/**
 * `nodes` with each `bias` fused into the product it reads, if it is the only reader of that product. `products`: value
 * names.
 */
export function withFusedBiases(
  nodes: readonly Node[],
  outputs: readonly string[],
  products: ReadonlySet<string>,
): readonly Node[] {
  if (products.size === 0) return nodes;
  const readersOf = readers({ nodes });
  const producerOf = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const biasOf = new Map<string, Node>();
  for (const product of products) {
    const [reader, ...others] = readersOf.get(product) ?? [];
    const isOnly = reader !== undefined && others.length === 0 && !outputs.includes(product);
    if (isOnly && reader.op === "bias" && reader.inputs[0] === product && isWithoutBias(producerOf.get(product)))
      biasOf.set(product, reader);
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

function isWithoutBias(node: Node | undefined): boolean {
  return (node?.op === "linear" || node?.op === "convolution") && node.inputs.length === 2;
}

/**
 * Folding: a scaling factor that follows an affine layer belongs to the layer's parameters,
 *
 *     BN(x; c, b)·λ = BN(x; λc, λb)        conv(x; W, b)·λ = conv(x; λW, λb)        linear likewise.
 *
 * `fold` says so in the graph, on parameters, so that factors cost no pass over activations and differentiation gives
 * ∂L/∂λ = c·∂L/∂(λc) + b·∂L/∂(λb) without a special case. `bake` carries it out on the numbers, for the compact network.
 */
import { required } from "../core/errors.ts";
import { type Tensor, tensor } from "../core/tensor.ts";
import { type Graph, makeNode, type Network, type Node, type Parameter, readers } from "../graph/graph.ts";
import type { OpName } from "../graph/ops.ts";
import { withInputs, withoutDeadNodes } from "../graph/rewrite.ts";

/** Slots of the parameters that an op's output is proportional to, jointly, and how they are called. */
const affineSlots: { readonly [K in OpName]?: readonly (readonly [slot: number, name: string])[] } = {
  convolution: [
    [1, "weights"],
    [2, "bias"],
  ],
  linear: [
    [1, "weights"],
    [2, "bias"],
  ],
  batch_normalization: [
    [1, "scale"],
    [2, "shift"],
  ],
};

/**
 * The graph with every `scale` behind an affine layer turned into `scale` nodes of axis 0 on the layer's parameters,
 * named `<scale node>.<weights|bias|scale|shift>`. The layer's output then stands for the scaled one. Several scales in a
 * row fold one after another. A scale stays where it is if no affine layer comes before it, or if something else reads
 * what the layer puts out.
 */
export function fold(graph: Graph): Graph {
  const readersOf = readers(graph);
  const parameters = new Set(graph.parameters.map(({ name }) => name));
  const names = new Map<string, string>();
  const nodes: Node[] = [];
  for (const original of graph.nodes) {
    const node = withInputs(original, names);
    const [src = "", factor = ""] = node.inputs;
    const at = nodes.findIndex(({ outputs }) => outputs.includes(src));
    const producer = nodes[at];
    const slots = producer === undefined ? undefined : affineSlots[producer.op];
    const [unscaled = ""] = original.inputs;
    const isOnlyReader = readersOf.get(unscaled)?.length === 1 && !graph.outputs.includes(unscaled);
    if (
      node.op !== "scale" ||
      node.attributes.axis !== 1 ||
      producer === undefined ||
      slots === undefined ||
      !isOnlyReader ||
      !parameters.has(factor)
    ) {
      nodes.push(node);
      continue;
    }
    const dst = required(node.outputs[0], `output of "${node.name}"`);
    const scaled = new Map<number, string>();
    const parameterScales: Node[] = [];
    for (const [slot, word] of slots) {
      const parameter = producer.inputs[slot];
      if (parameter === undefined) continue;
      const name = `${node.name}.${word}`;
      parameterScales.push(makeNode("scale", name, [parameter, factor], [name], { ...node.attributes, axis: 0 }));
      scaled.set(slot, name);
    }
    const inputs = producer.inputs.map((input, slot) => scaled.get(slot) ?? input);
    // The caller knows an output by its name, so there the layer takes the scale's.
    const isOutput = graph.outputs.includes(dst);
    if (!isOutput) names.set(dst, src);
    nodes.splice(at, 1, ...parameterScales, { ...producer, inputs, outputs: isOutput ? [dst] : producer.outputs });
    if (isOutput) names.set(src, dst);
  }
  return { ...graph, nodes: nodes.map((node) => withInputs(node, names)) };
}

/** Rows of `source` (axis 0, R of them) times factor ⌊row·F/R⌋, or `first` + row. */
function scaleRows(source: Tensor, factors: Tensor, first: number | undefined): Tensor {
  const rows = source.shape[0] ?? 1;
  const rowLength = source.data.length / rows;
  const place = (row: number): number =>
    first === undefined ? Math.floor((row * factors.data.length) / rows) : first + row;
  const data = source.data.map((value, index) => value * (factors.data[place(Math.floor(index / rowLength))] ?? 1));
  return tensor(source.shape, data);
}

/**
 * The network with its factors multiplied into the parameters of the layers they fold into: the same function, without
 * those scale nodes. Parameters keep their names, but one that another layer reads unscaled gets a scaled twin, named after the scale.
 */
export function bake({ graph, weights }: Network): Network {
  const folded = fold(graph);
  const readersOf = readers(folded);
  const values = new Map(weights);
  const parameters = new Map<string, Parameter>(folded.parameters.map((parameter) => [parameter.name, parameter]));
  const names = new Map<string, string>();
  const nodes: Node[] = [];
  for (const original of folded.nodes) {
    const node = withInputs(original, names);
    const [src = "", factor = ""] = node.inputs;
    const parameter = parameters.get(src);
    if (node.op !== "scale" || node.attributes.axis !== 0 || parameter === undefined) {
      nodes.push(node);
      continue;
    }
    const dst = required(node.outputs[0], `output of "${node.name}"`);
    const isShared = (readersOf.get(original.inputs[0] ?? "")?.length ?? 0) > 1;
    const target = isShared ? { ...parameter, name: dst } : parameter;
    const scaled = scaleRows(
      required(values.get(src), `values of "${src}"`),
      required(values.get(factor), `values of "${factor}"`),
      node.attributes.first,
    );
    values.set(target.name, scaled);
    parameters.set(target.name, target);
    names.set(dst, target.name);
  }
  const baked = withoutDeadNodes({ ...folded, nodes, parameters: [...parameters.values()] });
  return {
    graph: baked,
    weights: new Map(baked.parameters.map(({ name }) => [name, required(values.get(name), `values of "${name}"`)])),
  };
}

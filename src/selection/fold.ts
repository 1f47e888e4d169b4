/**
 * Folding: a scaling factor that follows an affine layer belongs to the layer's parameters,
 *
 *     BN(x; c, b)·λ = BN(x; λc, λb)        conv(x; W, b)·λ = conv(x; λW, λb)        linear and gain likewise;
 *     (x + b)·λ = x·λ + λb, where x·λ can be folded in turn.
 *
 * `fold` says so in the graph, on parameters, so that factors cost no pass over activations and differentiation gives
 * ∂L/∂λ = c·∂L/∂(λc) + b·∂L/∂(λb) without a special case. `bake` carries it out on the numbers, for the compact
 * network.
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
  gain: [[1, "gain"]],
};

/**
 * A layer that a factor is folded into, by its index among the nodes, with the slots that are scaled and their
 * parameters' new names.
 */
interface Share {
  readonly at: number;
  readonly layer: Node;
  readonly slots: readonly (readonly [slot: number, name: string])[];
}

/**
 * The layers that the factor of `scale` behind `src` is folded into, the one behind the others first; none if it stays.
 */
function sharesOf(scale: string, src: string, nodes: readonly Node[], isOnlyRead: (value: string) => boolean): Share[] {
  const at = nodes.findLastIndex(({ outputs }) => outputs.includes(src));
  const layer = nodes[at];
  if (layer === undefined || !isOnlyRead(src)) return [];
  if (layer.op === "bias") {
    const further = sharesOf(scale, layer.inputs[0] ?? "", nodes, isOnlyRead);
    return further.length === 0 ? [] : [{ at, layer, slots: [[1, `${scale}.${layer.name}`]] }, ...further];
  }
  const slots = (affineSlots[layer.op] ?? []).filter(([slot]) => layer.inputs[slot] !== undefined);
  return slots.length === 0 ? [] : [{ at, layer, slots: slots.map(([slot, word]) => [slot, `${scale}.${word}`]) }];
}

/** The parameters that a factor behind `value` is folded into, each with the layer that reads it. */
export function scaledParameters(
  value: string,
  makers: ReadonlyMap<string, Node>,
): readonly { readonly layer: Node; readonly parameter: string }[] {
  const layer = makers.get(value);
  if (layer === undefined) return [];
  const [src = "", added = ""] = layer.inputs;
  if (layer.op === "bias") return [{ layer, parameter: added }, ...scaledParameters(src, makers)];
  return (affineSlots[layer.op] ?? []).flatMap(([slot]) => {
    const parameter = layer.inputs[slot];
    return parameter === undefined ? [] : [{ layer, parameter }];
  });
}

/**
 * The graph with every `scale` behind an affine layer turned into `scale` nodes of axis 0 on the layer's parameters,
 * named `<scale node>.<weights|bias|scale|shift>`. The layer's output then stands for the scaled one. Several scales in
 * a row fold one after another, and parameters that several layers share stay shared where one factor scales all of
 * them. A scale stays where it is if no affine layer comes before it, or if something else reads what the layer puts
 * out.
 */
export function fold(graph: Graph): Graph {
  const readersOf = readers(graph);
  const parameters = new Set(graph.parameters.map(({ name }) => name));
  const names = new Map<string, string>();
  /** What a factor was folded into → the scaled value that it stands for. */
  const standsFor = new Map<string, string>();
  const isOnlyRead = (value: string): boolean => {
    const meant = standsFor.get(value) ?? value;
    return readersOf.get(meant)?.length === 1 && !graph.outputs.includes(meant);
  };
  const nodes: Node[] = [];
  /** Scaled parameters by what they are made of. */
  const made = new Map<string, Node>();
  for (const original of graph.nodes) {
    const node = withInputs(original, names);
    const [src = "", factor = ""] = node.inputs;
    const isFactor = node.op === "scale" && node.attributes.axis === 1 && parameters.has(factor);
    const shares = isFactor ? sharesOf(node.name, src, nodes, isOnlyRead) : [];
    if (node.op !== "scale" || shares.length === 0) {
      nodes.push(node);
      continue;
    }
    const dst = required(node.outputs[0], `output of "${node.name}"`);
    // The caller knows an output by its name, so there the layer takes the scale's.
    const isOutput = graph.outputs.includes(dst);
    for (const { at, layer, slots } of shares) {
      const scaled = new Map<number, string>();
      const scales = slots.flatMap(([slot, name]): Node[] => {
        const parameter = layer.inputs[slot] ?? "";
        const key = JSON.stringify([parameter, factor, node.attributes.first]);
        const known = made.get(key);
        const own = known ?? makeNode("scale", name, [parameter, factor], [name], { ...node.attributes, axis: 0 });
        made.set(key, own);
        scaled.set(slot, own.name);
        const place = known === undefined ? -1 : nodes.indexOf(known);
        if (known !== undefined && place < at) return [];
        // It has to stand in front of the first layer that reads it.
        if (known !== undefined) nodes.splice(place, 1);
        return [own];
      });
      const inputs = layer.inputs.map((input, slot) => scaled.get(slot) ?? input);
      const outputs = isOutput && layer.outputs.includes(src) ? [dst] : layer.outputs;
      nodes.splice(at, 1, ...scales, { ...layer, inputs, outputs });
    }
    names.set(...(isOutput ? ([src, dst] as const) : ([dst, src] as const)));
    if (!isOutput) standsFor.set(src, dst);
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
 * those scale nodes. Parameters keep their names, but one that another layer reads unscaled gets a scaled twin, named
 * after the scale.
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

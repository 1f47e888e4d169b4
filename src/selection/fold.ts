/**
 * Folds scaling factors into the parameters of the affine layer in front of them:
 *
 *     BN(x; c, b)·λ = BN(x; λc, λb)        conv(x; W, b)·λ = conv(x; λW, λb)        linear and gain likewise;
 *     (x + b)·λ = x·λ + λb, where x·λ can be folded in turn; one factor of a moved value is one of the value itself.
 *
 * `fold` rewrites the graph so that factors scale parameters. Then factors need no pass over activations, and
 * differentiation gives ∂L/∂λ = c·∂L/∂(λc) + b·∂L/∂(λb) without a special case. `bake` multiplies the factors into the
 * parameters' values, for the compact network.
 */
import { requireArguments } from "../core/arguments.ts";
import { required } from "../core/errors.ts";
import { elementCount, type Tensor, tensor } from "../core/tensor.ts";
import { type Graph, makeNode, type Network, type Node, type Parameter, readers } from "../graph/graph.ts";
import type { OpName } from "../graph/ops.ts";
import { withInputs, withoutDeadNodes } from "../graph/rewrite.ts";

/** By op: the slots and names of the parameters that scale its output if all of them are scaled together. */
const affineSlots: { readonly [K in OpName]?: readonly (readonly [slot: number, name: string])[] } = {
  convolution: [
    [1, "weights"],
    [2, "bias"],
  ],
  deconvolution: [
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
 * A layer that a factor is folded into: its index among the nodes, the scaled slots and their parameters' new names.
 */
interface Target {
  readonly at: number;
  readonly layer: Node;
  readonly slots: readonly (readonly [slot: number, name: string])[];
}

/** Ops that only move values, so that one factor for all of them may stand in front as well. */
const movement: ReadonlySet<OpName> = new Set<OpName>(["reshape", "transpose", "flatten", "slice", "pad"]);

/** The layers that the factor of `scale`, which reads `src`, is folded into, the last one first; none if it stays. */
function targetsOf(
  scale: string,
  src: string,
  nodes: readonly Node[],
  hasOneReader: (value: string) => boolean,
  isSingle: boolean,
): Target[] {
  const at = nodes.findLastIndex(({ outputs }) => outputs.includes(src));
  const layer = nodes[at];
  if (layer === undefined || !hasOneReader(src)) return [];
  if (isSingle && movement.has(layer.op)) {
    const further = targetsOf(scale, layer.inputs[0] ?? "", nodes, hasOneReader, isSingle);
    return further.length === 0 ? [] : [{ at, layer, slots: [] }, ...further];
  }
  if (layer.op === "bias") {
    const further = targetsOf(scale, layer.inputs[0] ?? "", nodes, hasOneReader, isSingle);
    return further.length === 0 ? [] : [{ at, layer, slots: [[1, `${scale}.${layer.name}`]] }, ...further];
  }
  const slots = (affineSlots[layer.op] ?? []).filter(([slot]) => layer.inputs[slot] !== undefined);
  return slots.length === 0 ? [] : [{ at, layer, slots: slots.map(([slot, word]) => [slot, `${scale}.${word}`]) }];
}

/** The parameters that a factor on `value` is folded into, each with the layer that reads it. */
export function scaledParameters(
  value: string,
  makers: ReadonlyMap<string, Node>,
): readonly { readonly layer: Node; readonly parameter: string }[] {
  const layer = makers.get(value);
  if (layer === undefined) return [];
  const [src = "", added = ""] = layer.inputs;
  if (movement.has(layer.op)) return scaledParameters(src, makers);
  if (layer.op === "bias") return [{ layer, parameter: added }, ...scaledParameters(src, makers)];
  return (affineSlots[layer.op] ?? []).flatMap(([slot]) => {
    const parameter = layer.inputs[slot];
    return parameter === undefined ? [] : [{ layer, parameter }];
  });
}

/**
 * Replaces every `scale` that follows an affine layer by `scale` nodes of axis 0 on the layer's parameters, named
 * `<scale node>.<weights|bias|scale|shift>`. The readers of the scale then read the layer's output. Several scales in a
 * row fold one after another. Parameters that several layers share stay shared if one factor scales all of these
 * layers. A scale stays where it is if no affine layer comes before it, or if another node reads the layer's output
 * too.
 */
export function fold(graph: Graph): Graph {
  requireArguments("fold", { graph: [graph, "graph"] });
  const readersOf = readers(graph);
  const parameters = new Map(graph.parameters.map(({ name, shape }) => [name, elementCount(shape)] as const));
  const names = new Map<string, string>();
  /** Output of a layer that a factor was folded into → the scaled value that it replaces. */
  const replacedBy = new Map<string, string>();
  const hasOneReader = (value: string): boolean => {
    const original = replacedBy.get(value) ?? value;
    return readersOf.get(original)?.length === 1 && !graph.outputs.includes(original);
  };
  const nodes: Node[] = [];
  /** The products of parameters and factors so far. */
  const made = new Map<string, Node>();
  for (const original of graph.nodes) {
    const node = withInputs(original, names);
    const [src = "", factor = ""] = node.inputs;
    const isFactor = node.op === "scale" && node.attributes.axis === 1 && parameters.has(factor);
    const targets = isFactor ? targetsOf(node.name, src, nodes, hasOneReader, parameters.get(factor) === 1) : [];
    if (node.op !== "scale" || targets.length === 0) {
      nodes.push(node);
      continue;
    }
    const dst = required(node.outputs[0], `output of "${node.name}"`);
    // A graph output keeps its name, so the layer's output takes the name of the scale's output.
    const isOutput = graph.outputs.includes(dst);
    for (const target of targets) {
      const { at, layer } = target;
      const { scales, inputs } = scaledInputs(target, node, nodes, made);
      const outputs = isOutput && layer.outputs.includes(src) ? [dst] : layer.outputs;
      nodes.splice(at, 1, ...scales, { ...layer, inputs, outputs });
    }
    names.set(...(isOutput ? ([src, dst] as const) : ([dst, src] as const)));
    if (!isOutput) replacedBy.set(src, dst);
  }
  return { ...graph, nodes: nodes.map((node) => withInputs(node, names)) };
}

/**
 * The inputs of the layer of `target` with its parameters multiplied by the factor of `scale`, and the new nodes in
 * front of the layer that multiply them. A product that another layer needs too is made once: `made` has those so far,
 * by parameter and factor. Removes one from `nodes` that comes too late.
 */
function scaledInputs(
  { at, layer, slots }: Target,
  { inputs: [, factor = ""], attributes }: Node<"scale">,
  nodes: Node[],
  made: Map<string, Node>,
): { readonly scales: readonly Node[]; readonly inputs: readonly string[] } {
  const scaled = new Map<number, string>();
  const scales = slots.flatMap(([slot, name]): Node[] => {
    const parameter = layer.inputs[slot] ?? "";
    const key = JSON.stringify([parameter, factor, attributes.first]);
    const known = made.get(key);
    const own = known ?? makeNode("scale", name, [parameter, factor], [name], { ...attributes, axis: 0 });
    made.set(key, own);
    scaled.set(slot, own.name);
    const place = known === undefined ? -1 : nodes.indexOf(known);
    if (known !== undefined && place < at) return [];
    // The shared product has to come before the first layer that reads it.
    if (known !== undefined) nodes.splice(place, 1);
    return [own];
  });
  return { scales, inputs: layer.inputs.map((input, slot) => scaled.get(slot) ?? input) };
}

/** Multiplies each row of `source` (axis 0, R rows) by factor ⌊row·F/R⌋ of F, or by factor `first` + row. */
function scaleRows(source: Tensor, factors: Tensor, first: number | undefined): Tensor {
  const rows = source.shape[0] ?? 1;
  const rowLength = source.data.length / rows;
  const place = (row: number): number =>
    first === undefined ? Math.floor((row * factors.data.length) / rows) : first + row;
  const data = source.data.map((value, index) => value * (factors.data[place(Math.floor(index / rowLength))] ?? 1));
  return tensor(source.shape, data);
}

/** Multiplies each column of `source` [K,D] by its factor, as `scaleRows` does with rows. */
function scaleColumns(source: Tensor, factors: Tensor, first: number | undefined): Tensor {
  const columns = source.shape[1] ?? 1;
  const place = (column: number): number =>
    first === undefined ? Math.floor((column * factors.data.length) / columns) : first + column;
  return tensor(
    source.shape,
    source.data.map((value, index) => value * (factors.data[place(index % columns)] ?? 1)),
  );
}

/**
 * The table whose columns take over the factor of `scale`: that of a lookup that only it reads. Such a factor stays a
 * node while the network is trained, because scaling the few numbers of a lookup costs less than scaling its table.
 */
function tableOf(
  { inputs: [src = "", factor = ""], outputs, attributes }: Node<"scale">,
  nodes: readonly Node[],
  graph: Graph,
  readersOf: ReadonlyMap<string, readonly Node[]>,
): string | undefined {
  const lookup = nodes.findLast((node) => node.outputs.includes(src));
  const [, table = ""] = lookup?.op === "lookup" ? lookup.inputs : [];
  const hasOneReader = (value: string): boolean => readersOf.get(value)?.length === 1;
  const isInside = !graph.outputs.includes(src) && !outputs.some((output) => graph.outputs.includes(output));
  const hasValues = graph.parameters.some(({ name }) => name === factor);
  const isAlone = hasOneReader(src) && hasOneReader(table) && isInside && hasValues && attributes.axis === 1;
  return isAlone ? table : undefined;
}

/**
 * Multiplies the factors into the parameters that they fold into, and removes the scale nodes. The network computes the
 * same function. Parameters keep their names. If another layer reads a parameter unscaled, the scaled copy gets the
 * name of the scale.
 */
export function bake(network: Network): Network {
  requireArguments("bake", { network: [network, "network"] });
  const { graph, weights } = network;
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
    const table = node.op === "scale" ? tableOf(node, nodes, folded, readersOf) : undefined;
    if (node.op === "scale" && table !== undefined) {
      const [value, factors] = [values.get(table), values.get(factor)];
      const scaled = scaleColumns(
        required(value, `values of "${table}"`),
        required(factors, `values of "${factor}"`),
        node.attributes.first,
      );
      values.set(table, scaled);
      names.set(required(node.outputs[0], `output of "${node.name}"`), src);
      continue;
    }
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

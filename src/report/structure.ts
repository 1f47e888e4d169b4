/**
 * The data for the picture of a network, from two graphs: the layers in order with their widths before and after, and
 * the residual blocks around them. Layers are matched by name, because cutting keeps names.
 */
import { optional } from "../core/optional.ts";
import type { Shape } from "../core/tensor.ts";
import { nodeMacs } from "../graph/cost.ts";
import { type Graph, type Node, producers } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";

export interface LayerView {
  readonly name: string;
  readonly op: "convolution" | "deconvolution" | "linear";
  /** Output channels or features; 0 if the layer is gone. */
  readonly widthBefore: number;
  readonly widthAfter: number;
  readonly macsBefore: number;
  readonly macsAfter: number;
  /** Height and width of the layer's output, as `32×32`; empty for a linear layer. */
  readonly pixels: string;
  /**
   * For each group of a grouped convolution, whether it is left; empty for other layers and for depthwise
   * convolutions.
   */
  readonly groups: readonly boolean[];
}

/** A branch and the shortcut around it. Indices point into `layers` of the same view. */
export interface BlockView {
  readonly name: string;
  /** The branch is added to its input, or, in a DenseNet, concatenated with it. */
  readonly ending: "sum" | "join";
  readonly first: number;
  readonly last: number;
  /** The layer on the shortcut (a projection); undefined for an identity and for option A. */
  readonly shortcut: LayerView | undefined;
  /** Whether no layer of the branch is left. */
  readonly isCut: boolean;
}

export interface StructureView {
  /** In execution order, without layers on shortcuts. */
  readonly layers: readonly LayerView[];
  readonly blocks: readonly BlockView[];
  /** MACs of the products of values, such as those of attention, which are no layers; undefined without any. */
  readonly products?: { readonly macsBefore: number; readonly macsAfter: number };
}

type LayerNode = Node<LayerView["op"]>;

function isLayer(node: Node): node is LayerNode {
  return node.op === "convolution" || node.op === "deconvolution" || node.op === "linear";
}

interface Side {
  readonly nodes: ReadonlyMap<string, LayerNode>;
  readonly shapes: ReadonlyMap<string, Shape>;
}

function sideOf(graph: Graph): Side {
  return {
    nodes: new Map(graph.nodes.filter(isLayer).map((node) => [node.name, node] as const)),
    shapes: inferShapes(graph, 1),
  };
}

function groupsOf(node: LayerNode, inputChannels: number): number {
  const groups = node.op === "linear" ? 1 : node.attributes.groups;
  return groups > 1 && groups < inputChannels ? groups : 0;
}

interface Measures {
  readonly width: number;
  readonly macs: number;
  readonly pixels: readonly number[];
  readonly groups: number;
}

function measured({ nodes, shapes }: Side, name: string): Measures {
  const node = nodes.get(name);
  if (node === undefined) return { width: 0, macs: 0, pixels: [], groups: 0 };
  const [, width = 0, ...pixels] = shapes.get(node.outputs[0] ?? "") ?? [];
  const groups = groupsOf(node, shapes.get(node.inputs[0] ?? "")?.[1] ?? 0);
  return { width, macs: nodeMacs(node, shapes), pixels, groups };
}

/** All nodes that `value` depends on, including the one that computes it. */
function ancestors(value: string, makers: ReadonlyMap<string, Node>): Set<Node> {
  const found = new Set<Node>();
  const pending = [value];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const node = makers.get(name);
    if (node === undefined || found.has(node)) continue;
    found.add(node);
    pending.push(...node.inputs);
  }
  return found;
}

interface RawBlock {
  readonly name: string;
  readonly ending: BlockView["ending"];
  readonly branch: readonly LayerNode[];
  readonly shortcut: readonly LayerNode[];
}

type Only = (own: readonly string[], others: readonly string[]) => LayerNode[];

/** Returns the layers that `own` depend on and `others` do not. */
function onlyIn(graph: Graph): Only {
  const makers = producers(graph);
  const all = (values: readonly string[]): Set<Node> =>
    new Set(values.flatMap((value) => [...ancestors(value, makers)]));
  return (own, others) => {
    const [mine, theirs] = [all(own), all(others)];
    return graph.nodes.filter((node): node is LayerNode => isLayer(node) && mine.has(node) && !theirs.has(node));
  };
}

/** A sum. Each side has the layers that only it depends on; the side with more of them is the branch. */
function sumBlock({ name, inputs: [left = "", right = ""] }: Node, only: Only): RawBlock {
  const [ofLeft, ofRight] = [only([left], [right]), only([right], [left])];
  const [branch, shortcut] = ofLeft.length >= ofRight.length ? [ofLeft, ofRight] : [ofRight, ofLeft];
  return { name, ending: "sum", branch, shortcut };
}

/**
 * A concatenation of new channels with the channels that they were computed from. The new ones are the last input, or
 * all but the first. Any other concatenation is not a block.
 */
function joinBlock({ name, inputs }: Node, only: Only): RawBlock | undefined {
  for (const at of [-1, 1]) {
    const [old, made] = [inputs.slice(0, at), inputs.slice(at)];
    const branch = only(made, old);
    if (branch.length > 0 && only(old, made).length === 0) return { name, ending: "join", branch, shortcut: [] };
  }
  return undefined;
}

function rawBlocks(graph: Graph): RawBlock[] {
  const only = onlyIn(graph);
  return graph.nodes.flatMap((node): RawBlock[] => {
    const block =
      node.op === "add" ? sumBlock(node, only) : node.op === "concatenation" ? joinBlock(node, only) : undefined;
    return block === undefined || block.branch.length === 0 ? [] : [block];
  });
}

/**
 * The picture's data for `before` and the parts of it that are left in `after`. A cut network only has the number of
 * its groups, so the first ones are shown as left.
 */
export function structureOf(before: Graph, after: Graph): StructureView {
  const old = sideOf(before);
  const now = sideOf(after);
  const view = (node: LayerNode): LayerView => {
    const was = measured(old, node.name);
    const is = measured(now, node.name);
    return {
      name: node.name,
      op: node.op,
      widthBefore: was.width,
      widthAfter: is.width,
      macsBefore: was.macs,
      macsAfter: is.macs,
      pixels: was.pixels.join("×"),
      groups: Array.from({ length: was.groups }, (_, group) => group < Math.max(is.groups, is.width > 0 ? 1 : 0)),
    };
  };
  const raw = rawBlocks(before);
  const onShortcuts = new Set<Node>(raw.flatMap(({ shortcut }) => shortcut));
  const main = before.nodes.filter((node): node is LayerNode => isLayer(node) && !onShortcuts.has(node));
  const layers = main.map(view);
  const blocks = raw.map(({ name, ending, branch, shortcut }): BlockView => {
    const indices = branch.map((node) => main.indexOf(node));
    const [projection] = shortcut;
    return {
      ...{ name, ending },
      first: Math.min(...indices),
      last: Math.max(...indices),
      shortcut: projection === undefined ? undefined : view(projection),
      isCut: indices.every((index) => layers[index]?.widthAfter === 0),
    };
  });
  return { layers, blocks, ...optional({ products: productsOf(before, after) }) };
}

function productsOf(before: Graph, after: Graph): StructureView["products"] {
  const [macsBefore, macsAfter] = [before, after].map((graph) => {
    const shapes = inferShapes(graph, 1);
    return graph.nodes.reduce((sum, node) => sum + (isLayer(node) ? 0 : nodeMacs(node, shapes)), 0);
  });
  return macsBefore ? { macsBefore, macsAfter: macsAfter ?? 0 } : undefined;
}

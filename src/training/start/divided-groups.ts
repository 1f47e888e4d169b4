/**
 * Grouped convolutions whose groups do not fit together, such as one of 4 groups in front of one of 3. No set of groups
 * but all of them could be pruned. A grouped convolution computes the same as several in parallel, one for each group.
 * Its channels are then free, and the groups of the others are structures again.
 */
import { required } from "../../core/errors.ts";
import { elementCount, type Shape, type Tensor, tensor } from "../../core/tensor.ts";
import { Couplings } from "../../graph/analysis-coupling.ts";
import { freshNames } from "../../graph/fresh-names.ts";
import { type Graph, makeNode, type Network, type Node, type Parameter, readers } from "../../graph/graph.ts";
import { withoutDeadNodes } from "../../graph/rewrite.ts";
import { inferShapes } from "../../graph/shapes.ts";
import { networkCost } from "../../latency/predict.ts";
import { BUDGET_TOLERANCE, budgetSelection, budgetShare, nearestReachable } from "../../selection/budget.ts";
import { factorsOf } from "../../selection/factors.ts";
import { place } from "../../selection/place.ts";
import type { Settings } from "../settings/settings.ts";

type Convolution = Node<"convolution">;

export interface Divided {
  readonly network: Network;
  /** What was changed, as a sentence; undefined if nothing was. */
  readonly notice?: string;
}

/**
 * `network` with those grouped convolutions divided that keep it from the budget; the network itself if there are none,
 * or if the settings do not leave the choice of structures to the budget. A budget of latency would pay for more nodes.
 */
export function dividedForBudget(network: Network, { budget, select }: Pick<Settings, "budget" | "select">): Divided {
  const { graph } = network;
  if (budget === undefined || budget.of === "latency" || Object.keys(select).length > 0) return { network };
  if (factorsOf(graph).length > 0) return { network };
  /** The distance from the budget to the nearest share that whole structures can reach. */
  const distanceOf = (own: Graph): number => {
    const share = budgetShare(budget, networkCost(own));
    const { graph: scaled, factors } = place(own, budgetSelection(own, budget));
    return Math.abs(nearestReachable(scaled, factors, { of: budget.of, share }) - share);
  };
  const uneven = unevenGroups(graph);
  if (uneven.length === 0) return { network };
  const distance = distanceOf(graph);
  if (distance <= BUDGET_TOLERANCE) return { network };
  const changed = uneven.reduce(withDividedGroups, network);
  if (distanceOf(changed.graph) >= distance) return { network };
  const names = uneven.map(({ name, attributes: { groups } }) => `"${name}" (${groups})`).join(" and ");
  return {
    network: changed,
    notice:
      "Some grouped convolutions share channels, but their numbers of groups do not fit together, so no group could " +
      `be pruned alone. To reach the budget, each group of ${names} becomes a convolution of its own, also in the ` +
      "written files. The outputs stay the same",
  };
}

/**
 * The grouped convolutions of `graph` to divide. Several that share channels are uneven if these form fewer sets than
 * the smallest number of groups. Those of them with the most groups stay: their groups are small enough.
 */
export function unevenGroups(graph: Graph): readonly Convolution[] {
  const read = readers(graph);
  const grouped = graph.nodes.filter(
    (node): node is Convolution => node.op === "convolution" && node.attributes.groups > 1,
  );
  if (grouped.length < 2) return [];
  const couplings = new Couplings(graph, inferShapes(graph, 1));
  const layers = grouped.map((node) => ({ node, classes: new Set(couplings.classesOf(node.outputs[0] ?? "", 1)) }));
  return layers.flatMap(({ node, classes }) => {
    const coupled = layers.filter((other) => [...classes].some((one) => other.classes.has(one)));
    const groups = coupled.map((layer) => layer.node.attributes.groups);
    const isUneven = classes.size < Math.min(...groups);
    const isAlone = node.inputs.slice(1).every((name) => read.get(name)?.length === 1);
    return isUneven && isAlone && node.attributes.groups < Math.max(...groups) ? [node] : [];
  });
}

/** `network` with `node` as one convolution for each of its groups. They are joined under the name of its output. */
export function withDividedGroups({ graph, weights }: Network, node: Convolution): Network {
  const [dst = ""] = node.outputs;
  const parameters = new Map(graph.parameters.map((parameter) => [parameter.name, parameter] as const));
  const { groups, parts } = groupsOf(node, inferShapes(graph, 1), parameters, graph);
  const joined = makeNode(
    "concatenation",
    node.name,
    groups.map(({ name }) => name),
    [dst],
    {},
  );
  const divided = withoutDeadNodes({
    ...graph,
    parameters: [...graph.parameters, ...parts.map(({ parameter }) => parameter)],
    nodes: graph.nodes.flatMap((one) => (one === node ? [...groups.flatMap(({ nodes }) => nodes), joined] : [one])),
  });
  const values = new Map(weights);
  for (const { parameter, of, group } of parts) {
    const whole = weights.get(of);
    if (whole !== undefined) values.set(parameter.name, rowsOf(whole, group, groups.length));
  }
  const kept = divided.parameters.flatMap(({ name }): [string, Tensor][] => {
    const value = values.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  return { graph: divided, weights: new Map(kept) };
}

/** One group of a convolution: the nodes that slice its channels and convolve them, the last one called `name`. */
interface Group {
  readonly name: string;
  readonly nodes: readonly Node[];
}

/** The rows of parameter `of` that belong to `group`, as a parameter. */
interface PartOfParameter {
  readonly parameter: Parameter;
  readonly of: string;
  readonly group: number;
}

function groupsOf(
  node: Convolution,
  shapes: ReadonlyMap<string, Shape>,
  wholes: ReadonlyMap<string, Parameter>,
  graph: Graph,
): { readonly groups: readonly Group[]; readonly parts: readonly PartOfParameter[] } {
  const fresh = freshNames([...shapes.keys(), ...graph.nodes.map(({ name }) => name)]);
  const [src = "", ...parameters] = node.inputs;
  const { groups: count } = node.attributes;
  const [, channels = 0, ...pixels] = required(shapes.get(src), `shape of "${src}"`);
  const size = channels / count;
  const parts: PartOfParameter[] = [];
  const groups = Array.from({ length: count }, (_, group): Group => {
    const input = fresh(`${node.name}.group${group}/channels`);
    const name = fresh(`${node.name}.group${group}`);
    const own = parameters.map((of) => {
      const whole = required(wholes.get(of), `parameter "${of}"`);
      const [rows = 0, ...rest] = whole.shape;
      const parameter = { ...whole, name: fresh(`${of}.group${group}`), shape: [rows / count, ...rest] };
      parts.push({ parameter, of, group });
      return parameter.name;
    });
    const slice = makeNode("slice", input, [src], [input], {
      starts: [0, group * size, ...pixels.map(() => 0)],
      ends: ["N", (group + 1) * size, ...pixels],
      steps: [1, 1, ...pixels.map(() => 1)],
    });
    return {
      name,
      nodes: [slice, makeNode("convolution", name, [input, ...own], [name], { ...node.attributes, groups: 1 })],
    };
  });
  return { groups, parts };
}

/** Part `index` of `count` equal parts of the rows of `whole`. */
function rowsOf({ shape: [rows = 0, ...rest], data }: Tensor, index: number, count: number): Tensor {
  const shape = [rows / count, ...rest];
  const length = elementCount(shape);
  return tensor(shape, data.slice(index * length, (index + 1) * length));
}

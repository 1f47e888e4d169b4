/**
 * Grouped convolutions whose groups do not fit together, such as one of 4 groups in front of one of 3. No set of groups
 * but all of them could be pruned. A grouped convolution computes the same as several in parallel, one for each group.
 * Its channels are then free, and the groups of the others are structures again.
 */
import { required } from "../../core/errors.ts";
import { elementCount, type Tensor, tensor } from "../../core/tensor.ts";
import { Couplings } from "../../graph/analysis-coupling.ts";
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
  const offOf = (own: Graph): number => {
    const share = budgetShare(budget, networkCost(own));
    const { graph: scaled, factors } = place(own, budgetSelection(own, budget));
    return Math.abs(nearestReachable(scaled, factors, { of: budget.of, share }) - share);
  };
  const uneven = unevenGroups(graph);
  if (uneven.length === 0) return { network };
  const off = offOf(graph);
  if (off <= BUDGET_TOLERANCE) return { network };
  const changed = uneven.reduce(withDividedGroups, network);
  if (offOf(changed.graph) >= off) return { network };
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
  const shapes = inferShapes(graph, 1);
  const [src = "", ...parameters] = node.inputs;
  const [dst = ""] = node.outputs;
  const { groups } = node.attributes;
  const taken = new Set([...shapes.keys(), ...graph.nodes.map(({ name }) => name)]);
  const fresh = (name: string): string => {
    let unique = name;
    while (taken.has(unique)) unique = `${unique}_`;
    taken.add(unique);
    return unique;
  };
  const [, channels = 0, ...pixels] = required(shapes.get(src), `shape of "${src}"`);
  const size = channels / groups;
  const values = new Map(weights);
  const own: Parameter[] = [];
  const parts = Array.from({ length: groups }, (_, group) => {
    const input = fresh(`${node.name}.group${group}/channels`);
    const name = fresh(`${node.name}.group${group}`);
    const inputs = parameters.map((parameter) => {
      const whole = required(
        graph.parameters.find((one) => one.name === parameter),
        `parameter "${parameter}"`,
      );
      const part = fresh(`${parameter}.group${group}`);
      const [rows = 0, ...rest] = whole.shape;
      own.push({ ...whole, name: part, shape: [rows / groups, ...rest] });
      const given = weights.get(parameter);
      if (given !== undefined) values.set(part, rowsOf(given, group, groups));
      return part;
    });
    return {
      name,
      nodes: [
        makeNode("slice", input, [src], [input], {
          starts: [0, group * size, ...pixels.map(() => 0)],
          ends: ["N", (group + 1) * size, ...pixels],
          steps: [1, 1, ...pixels.map(() => 1)],
        }),
        makeNode("convolution", name, [input, ...inputs], [name], { ...node.attributes, groups: 1 }),
      ],
    };
  });
  const joined = makeNode(
    "concatenation",
    node.name,
    parts.map(({ name }) => name),
    [dst],
    {},
  );
  const divided = withoutDeadNodes({
    ...graph,
    parameters: [...graph.parameters, ...own],
    nodes: graph.nodes.flatMap((one) => (one === node ? [...parts.flatMap(({ nodes }) => nodes), joined] : [one])),
  });
  const kept = divided.parameters.flatMap(({ name }): [string, Tensor][] => {
    const value = values.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  return { graph: divided, weights: new Map(kept) };
}

/** Part `index` of `count` equal parts of the rows of `whole`. */
function rowsOf({ shape: [rows = 0, ...rest], data }: Tensor, index: number, count: number): Tensor {
  const shape = [rows / count, ...rest];
  const length = elementCount(shape);
  return tensor(shape, data.slice(index * length, (index + 1) * length));
}

/**
 * Places scaling factors on a plain graph: the paper's three kinds of structures. A factor sits after the layer's batch
 * norm and before its activation, so that zero stays zero; a block's sits on its branch just before the addition, so
 * that zero leaves the shortcut. Models know nothing of factors.
 */
import { UserError } from "../core/errors.ts";
import { unknownName } from "../core/names.ts";
import { type Graph, makeNode, type Node, type Parameter } from "../graph/graph.ts";
import { withInputs } from "../graph/rewrite.ts";
import { type Branch, residualBranches } from "./branches.ts";
import {
  type Factor,
  type FactorKind,
  factorKinds,
  factorsOf,
  type Selection,
  scaleName,
  selectionKeys,
} from "./factors.ts";
import { type SelectableLayer, selectableLayers } from "./layers.ts";

export type { Factor, FactorKind, Selection } from "./factors.ts";

export interface Placement {
  readonly graph: Graph;
  readonly factors: readonly Factor[];
}

/** Where factors can sit in a graph. */
interface Sites {
  readonly layers: readonly SelectableLayer[];
  readonly branches: readonly Branch[];
}

function sitesOf(graph: Graph): Sites {
  return { layers: selectableLayers(graph), branches: residualBranches(graph) };
}

function kindsAt({ layers, branches }: Sites): readonly FactorKind[] {
  const found = new Set<FactorKind>(layers.map(({ kind }) => kind));
  if (branches.length > 0) found.add("block");
  return factorKinds.filter((kind) => found.has(kind));
}

/** The kinds of structures that `graph` has. */
export function structureKinds(graph: Graph): readonly FactorKind[] {
  return kindsAt(sitesOf(graph));
}

/** The kinds `select` asks for; `UserError` on an unknown one or a γ that is not a number ≥ 0. */
function wantedKinds(select: Selection): readonly FactorKind[] {
  const keys: readonly string[] = Object.values(selectionKeys);
  for (const [key, gamma] of Object.entries(select)) {
    if (!keys.includes(key)) throw unknownName("kind of structure", key, keys);
    if (gamma !== undefined && !(Number.isFinite(gamma) && gamma >= 0)) {
      throw new UserError("bad-option", `γ of ${key} is not a number of at least 0`, {
        about: `select.${key}`,
        expected: "a finite number ≥ 0",
        received: String(gamma),
        hint: "A larger γ takes more structures; 0.001 to 0.02 is a usual range",
      });
    }
  }
  return factorKinds.filter((kind) => select[selectionKeys[kind]] !== undefined);
}

/**
 * `graph` with a `scale` node `<layer>.<kind>` for every layer of the kinds that `select` gives a γ, and what was placed, in
 * execution order.
 *
 * Throws `UserError`: `unknown-name` on a kind that there is not, `bad-option` on a γ that is negative or not a number and
 * on a kind that this network lacks, `bad-graph` if the graph has factors already.
 */
export function place(graph: Graph, select: Selection): Placement {
  const wanted = wantedKinds(select);
  if (factorsOf(graph).length > 0) {
    throw new UserError("bad-graph", "the network has scaling factors already", {
      about: graph.name,
      hint: "Place factors on the plain network, all kinds at once",
    });
  }
  const sites = sitesOf(graph);
  const present = kindsAt(sites);
  for (const kind of wanted) {
    if (present.includes(kind)) continue;
    const has = present.map((one) => selectionKeys[one]).join(", ");
    throw new UserError("bad-option", `${graph.name} has no ${selectionKeys[kind]} to select`, {
      about: `select.${selectionKeys[kind]}`,
      hint: has === "" ? "It has no structures that can be selected" : `It has: ${has}`,
    });
  }
  const placed = insert(graph, {
    layers: sites.layers.filter(({ kind }) => wanted.includes(kind)),
    branches: wanted.includes("block") ? sites.branches : [],
  });
  return { graph: placed, factors: factorsOf(placed, select) };
}

function insert(graph: Graph, { layers, branches }: Sites): Graph {
  const layerAt = new Map(layers.map((layer) => [layer.value, layer] as const));
  const branchAt = new Map(branches.map((branch) => [branch.addition, branch] as const));
  const scaledNames = new Map<string, string>();
  const nodes: Node[] = [];
  const parameters: Parameter[] = [...graph.parameters];
  const scale = (name: string, src: string, count: number): string => {
    const factor: Parameter = { name: `${name}.factor`, shape: [count], kind: "factor" };
    parameters.push(factor);
    nodes.push(makeNode("scale", name, [src, factor.name], [name], { axis: 1 }));
    return name;
  };
  for (const original of graph.nodes) {
    const node = withInputs(original, scaledNames);
    const branch = branchAt.get(node.name);
    if (branch === undefined) {
      nodes.push(node);
    } else {
      const scaled = scale(scaleName(node.name, "block"), node.inputs[branch.slot] ?? "", 1);
      nodes.push({ ...node, inputs: node.inputs.with(branch.slot, scaled) });
    }
    for (const output of node.outputs) {
      const layer = layerAt.get(output);
      if (layer !== undefined) scaledNames.set(output, scale(scaleName(layer.layer, layer.kind), output, layer.count));
    }
  }
  return { ...graph, parameters, nodes };
}

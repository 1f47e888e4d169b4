/**
 * Places scaling factors on a plain graph: for the paper's three kinds of structures and for streams. A factor comes
 * after the layer's batch norm and before its activation, so that zero stays zero. A block's factor comes on the branch
 * just before the addition, so that zero leaves the shortcut. `streams.ts` says where a stream's factors are. Models
 * contain no factors.
 */
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import { unknownName } from "../core/names.ts";
import type { ScaleAttributes } from "../graph/attributes.ts";
import { type Graph, makeNode, type Node, type Parameter, type ScaledStructures } from "../graph/graph.ts";
import { withInputs } from "../graph/rewrite.ts";
import { BranchParts } from "./branch-parts.ts";
import { type Branch, residualBranches } from "./branches.ts";
import { type Factor, type FactorKind, factorKinds, factorsOf, type Selection, selectionKeys } from "./factors.ts";
import { type Selectable, selectableLayers } from "./layers.ts";
import { PlacementAnalysis } from "./placement-analysis.ts";
import { RequiredPath } from "./required-path.ts";
import { findStreams, type Refusal } from "./streams.ts";

export type { Factor, FactorKind, Selection } from "./factors.ts";
export type { Refusal } from "./streams.ts";

/** A graph with its scaling factors. */
export interface Placement {
  readonly graph: Graph;
  readonly factors: readonly Factor[];
}

/** Where factors can sit in a graph. */
interface Sites {
  readonly layers: readonly Selectable[];
  readonly branches: readonly Branch[];
}

interface FoundSites extends Sites {
  readonly refused: readonly Refusal[];
}

/** A cache, because the search is expensive and callers ask about the same graph several times. */
const found = new WeakMap<Graph, FoundSites>();

function sitesOf(graph: Graph): FoundSites {
  const known = found.get(graph);
  if (known !== undefined) return known;
  const analysis = new PlacementAnalysis(graph);
  const layers = selectableLayers(analysis);
  const { streams, refused } = findStreams(analysis, layers);
  const all = [...layers, ...streams];
  let path: RequiredPath | undefined;
  const alone = all.filter(({ sites, count }) => {
    if (count > 1) return false;
    path ??= new RequiredPath(graph);
    return path.keptRun(sites, count) !== undefined;
  });
  const { branches, refused: refusedBranches } = prunableBranches(graph, analysis);
  const reason = "all of its channels form one structure, and there is no path around it";
  const sites = {
    layers: all.filter((one) => !alone.includes(one)),
    branches,
    refused: [...refused, ...alone.map(({ layer }) => ({ layers: [layer], reason })), ...refusedBranches],
  };
  found.set(graph, sites);
  return sites;
}

/** The residual branches whose pruning removes at least one layer, and the reasons against the other branches. */
function prunableBranches(graph: Graph, analysis: PlacementAnalysis): Pick<FoundSites, "branches" | "refused"> {
  const parts = new BranchParts(graph);
  const nodes = new Map(graph.nodes.map((node) => [node.name, node] as const));
  const reasonAgainst = (branch: Branch): string | undefined => {
    const removed = parts.removedWith([branch]);
    if (removed.nodes.length === 0 && removed.parameters.length === 0)
      return "other nodes need every layer of its branch";
    const node = nodes.get(branch.addition);
    const value = node?.inputs[branch.slot] ?? "";
    return analysis.splitsSharedWeights([{ value, node: branch.addition }])
      ? "the last layer of its branch shares weights with layers that would have no factor"
      : undefined;
  };
  const judged = residualBranches(graph).map((branch) => ({ branch, reason: reasonAgainst(branch) }));
  return {
    branches: judged.flatMap(({ branch, reason }) => (reason === undefined ? branch : [])),
    refused: judged.flatMap(({ branch: { addition }, reason }) =>
      reason === undefined ? [] : [{ layers: [addition], reason }],
    ),
  };
}

function kindsAt({ layers, branches }: Sites): readonly FactorKind[] {
  const kinds = new Set<FactorKind>(layers.map(({ kind }) => kind));
  if (branches.length > 0) kinds.add("block");
  return factorKinds.filter((kind) => kinds.has(kind));
}

/** The kinds of structures that `graph` has. */
export function structureKinds(graph: Graph): readonly FactorKind[] {
  return kindsAt(sitesOf(graph));
}

/** The layers of `graph` whose channels no factor of any kind can select, and why. */
export function refusedLayers(graph: Graph): readonly Refusal[] {
  return sitesOf(graph).refused;
}

/** The kinds that `select` names. Throws `UserError` on an unknown kind and on a γ that is not a number ≥ 0. */
function selectedKinds(select: Selection): readonly FactorKind[] {
  const keys: readonly string[] = Object.values(selectionKeys);
  for (const [key, gamma] of Object.entries(select)) {
    if (!keys.includes(key)) throw unknownName("kind of structure", key, keys);
    if (gamma !== undefined && !(Number.isFinite(gamma) && gamma >= 0)) {
      throw new UserError("bad-option", `γ of ${key} is not a number of at least 0`, {
        about: `select.${key}`,
        expected: "a finite number ≥ 0",
        received: String(gamma),
        hint: "Give a γ between 0.001 and 0.02 to begin with; a larger γ prunes more structures",
      });
    }
  }
  return factorKinds.filter((kind) => select[selectionKeys[kind]] !== undefined);
}

/** Throws `UserError("bad-option")` if `select` names a kind that `graph` lacks. `present`: the kinds that it has. */
export function requireKinds(graph: Graph, select: Selection, present: readonly FactorKind[]): void {
  for (const kind of selectedKinds(select)) {
    if (present.includes(kind)) continue;
    const has = present.map((one) => selectionKeys[one]).join(", ");
    throw new UserError("bad-option", `${graph.name} has no ${selectionKeys[kind]} to select`, {
      about: `select.${selectionKeys[kind]}`,
      hint: has === "" ? "It has no structures that can be selected" : `It has: ${has}`,
    });
  }
}

/**
 * Adds a `scale` node for every layer of each kind that `select` gives a γ. Returns the new graph and its factors in
 * execution order. A scale node is named `<layer>.<kind>`. A stream has several, named
 * `<node whose output is scaled>.<kind>`.
 *
 * Throws `UserError`: `unknown-name` on an unknown kind; `bad-option` on a γ that is negative or not a number, and on a
 * kind that this network lacks; `bad-graph` if the graph has factors already.
 */
export function place(graph: Graph, select: Selection): Placement {
  requireArguments("place", { graph: [graph, "graph"], select: [select, "object"] });
  const wanted = selectedKinds(select);
  if (factorsOf(graph).length > 0) {
    throw new UserError("bad-graph", "the network has scaling factors already", {
      about: graph.name,
      hint: "Place factors on the plain network, all kinds at once",
    });
  }
  if (wanted.length === 0) return { graph, factors: [] };
  const sites = sitesOf(graph);
  requireKinds(graph, select, kindsAt(sites));
  const placed = insert(graph, {
    layers: sites.layers.filter(({ kind }) => wanted.includes(kind)),
    branches: wanted.includes("block") ? sites.branches : [],
  });
  return { graph: placed, factors: factorsOf(placed, select) };
}

/** A scale node to insert: its name, its λ parameter and its attributes. */
interface PlacedScale {
  readonly name: string;
  readonly factor: Parameter;
  readonly attributes: ScaleAttributes;
}

function factorParameter(scales: ScaledStructures, count: number): Parameter {
  return { name: `${scales.layer}.${scales.kind}.factor`, shape: [count], kind: "factor", scales };
}

function scalesOf({ kind, layer, sites, count }: Selectable): readonly (readonly [string, PlacedScale])[] {
  const factor = factorParameter({ kind, layer }, count);
  return sites.map(({ value, node, first }) => {
    const name = `${sites.length === 1 ? layer : node}.${kind}`;
    return [value, { name, factor, attributes: first === undefined ? { axis: 1 } : { axis: 1, first } }];
  });
}

function insert(graph: Graph, { layers, branches }: Sites): Graph {
  const scaleAt = new Map(layers.flatMap(scalesOf));
  const branchAt = new Map(branches.map((branch) => [branch.addition, branch] as const));
  const scaledNames = new Map<string, string>();
  const nodes: Node[] = [];
  const parameters = new Map(graph.parameters.map((parameter) => [parameter.name, parameter] as const));
  const scale = (src: string, { name, factor, attributes }: PlacedScale): string => {
    parameters.set(factor.name, factor);
    nodes.push(makeNode("scale", name, [src, factor.name], [name], attributes));
    return name;
  };
  for (const original of graph.nodes) {
    const node = withInputs(original, scaledNames);
    const branch = branchAt.get(node.name);
    if (branch === undefined) {
      nodes.push(node);
    } else {
      const factor = factorParameter({ kind: "block", layer: node.name }, 1);
      const name = `${node.name}.block`;
      const scaled = scale(node.inputs[branch.slot] ?? "", { name, factor, attributes: { axis: 1 } });
      nodes.push({ ...node, inputs: node.inputs.with(branch.slot, scaled) });
    }
    for (const output of node.outputs) {
      const placed = scaleAt.get(output);
      if (placed !== undefined) scaledNames.set(output, scale(output, placed));
    }
  }
  return { ...graph, parameters: [...parameters.values()], nodes };
}

/**
 * Scaling factors as data: which parameter scales which structures, with what γ. The name of each λ parameter contains
 * its kind and its layer, so a network that is read from a file still has its factors.
 */
import { requireArguments } from "../core/arguments.ts";
import { required } from "../core/errors.ts";
import { type Tensor, tensor } from "../core/tensor.ts";
import type { Graph, Node, Weights } from "../graph/graph.ts";
import { OnlyPath, type ScaledValue } from "./required-path.ts";

/**
 * neuron: an output channel of a layer; group: a group of a grouped convolution; block: a residual branch; stream: a
 * channel that several layers write or that many layers read, as in a residual stream.
 */
export const factorKinds = ["neuron", "group", "block", "stream"] as const;
export type FactorKind = (typeof factorKinds)[number];

/** The kinds of structures that get factors. The number is γ, the strength of the ℓ1 penalty of that kind, ≥ 0. */
export interface Selection {
  readonly neurons?: number;
  readonly groups?: number;
  readonly blocks?: number;
  readonly streams?: number;
}

export type SelectionKey = keyof Selection;

export const selectionKeys: { readonly [K in FactorKind]: `${K}s` } = {
  neuron: "neurons",
  group: "groups",
  block: "blocks",
  stream: "streams",
};

/** The factors of one layer: one parameter `[count]`. */
export interface Factor {
  /** Name of the λ parameter: `<layer>.<kind>.factor`. */
  readonly parameter: string;
  readonly kind: FactorKind;
  /** The node whose channels are scaled. For a block: the addition that ends it. For a stream: the first node in it. */
  readonly layer: string;
  readonly count: number;
  /** γ of its kind. */
  readonly gamma: number;
  /**
   * γ of structure i is `gamma`·`gammaScale[i]`; a single number applies to all. Default 1. See `structure-costs.ts`.
   */
  readonly gammaScale?: readonly number[];
  /** Whether one factor must stay above zero: with all at zero, the network would give every input the same answer. */
  readonly keepLast: boolean;
  /**
   * With `keepLast`: the factors [start, end) of which one must stay, if that is not all of them. A stream that grows
   * along the network has to keep one of its first channels.
   */
  readonly keepRun?: readonly [number, number];
}

/** Name of the λ parameter of a layer's factors of one kind. */
export function factorName(layer: string, kind: FactorKind): string {
  return `${layer}.${kind}.factor`;
}

function placeOf(parameter: string): { readonly layer: string; readonly kind: FactorKind } | undefined {
  const kind = factorKinds.find((one) => parameter.endsWith(factorName("", one)));
  return kind === undefined ? undefined : { kind, layer: parameter.slice(0, -factorName("", kind).length) };
}

/**
 * The factors of a graph, in execution order, found by the names of the parameters that scale activations. A graph does
 * not contain γ: `selection` gives it, and it is 0 for a kind that `selection` lacks.
 */
export function factorsOf(graph: Graph, selection: Selection = {}): readonly Factor[] {
  requireArguments("factorsOf", { graph: [graph, "graph"], selection: [selection, "object"] });
  const kinds = new Map(graph.parameters.map(({ name, kind }) => [name, kind] as const));
  const counts = new Map(graph.parameters.map(({ name, shape }) => [name, shape[0] ?? 0] as const));
  const scalesOf = new Map<string, Node<"scale">[]>();
  for (const node of graph.nodes) {
    const [, parameter = ""] = node.inputs;
    if (node.op !== "scale" || node.attributes.axis !== 1 || kinds.get(parameter) !== "factor") continue;
    scalesOf.set(parameter, [...(scalesOf.get(parameter) ?? []), node]);
  }
  if (scalesOf.size === 0) return [];
  const path = new OnlyPath(graph);
  // The last factors come first: see `OnlyPath`.
  const found = [...scalesOf].toReversed().flatMap(([parameter, scales]): Factor[] => {
    const place = placeOf(parameter);
    if (place === undefined) return [];
    const count = counts.get(parameter) ?? 0;
    const values = scales.map(({ name, outputs, attributes: { first } }): ScaledValue => {
      const value = required(outputs[0], `output of "${name}"`);
      return first === undefined ? { value } : { value, first };
    });
    const run = path.keptRun(values, count);
    const isPart = run !== undefined && run[1] - run[0] < count;
    return [
      {
        parameter,
        ...place,
        count,
        gamma: selection[selectionKeys[place.kind]] ?? 0,
        keepLast: run !== undefined,
        ...(isPart ? { keepRun: run } : {}),
      },
    ];
  });
  return found.toReversed();
}

/** The λ parameters of which one factor must stay above zero. `keepRuns`: the run it must be in, if it is not any. */
export interface KeptFactors {
  readonly keepLast: ReadonlySet<string>;
  readonly keepRuns?: ReadonlyMap<string, readonly [number, number]>;
}

export function keptFactors(factors: readonly Factor[]): KeptFactors {
  requireArguments("keptFactors", { factors: [factors, "factors"] });
  return {
    keepLast: new Set(factors.filter(({ keepLast }) => keepLast).map(({ parameter }) => parameter)),
    keepRuns: new Map(
      factors.flatMap(({ parameter, keepRun }) => (keepRun === undefined ? [] : [[parameter, keepRun] as const])),
    ),
  };
}

/** By factor parameter, in its shape: γ of each structure times `times`. */
export function gammasOf(factors: readonly Factor[], times = 1): Weights {
  requireArguments("gammasOf", { factors: [factors, "factors"], times: [times, "number"] });
  return new Map(
    factors.map(({ parameter, count, gamma, gammaScale: scale = [1] }) => {
      const each = Float32Array.from(
        { length: count },
        (_, index) => times * gamma * (scale[scale.length === 1 ? 0 : index] ?? 1),
      );
      return [parameter, tensor([count], each)] as const;
    }),
  );
}

/** The inputs of a training step for the factors: `<parameter>.gamma` → γ of each structure. */
export function gammaFeeds(gammas: Weights): Record<string, Tensor> {
  requireArguments("gammaFeeds", { gammas: [gammas, "tensors"] });
  return Object.fromEntries([...gammas].map(([parameter, gamma]) => [`${parameter}.gamma`, gamma] as const));
}

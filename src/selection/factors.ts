/**
 * Scaling factors as data: which parameter, over what structures, with what γ. Kind and layer are written in the names
 * of the λ parameters, so a network read back from a file still knows its factors.
 */
import { required } from "../core/errors.ts";
import { type Tensor, tensor } from "../core/tensor.ts";
import type { Graph, Node, Weights } from "../graph/graph.ts";
import { OnlyPath, type ScaledValue } from "./required-path.ts";

/**
 * neuron: an output channel of a layer; group: a group of a grouped convolution; block: a residual branch; stream: a
 * channel that several layers write or that many read, as in a residual stream.
 */
export const factorKinds = ["neuron", "group", "block", "stream"] as const;
export type FactorKind = (typeof factorKinds)[number];

/** γ of each kind of factor that is wanted: the strength of its ℓ1 penalty, ≥ 0. */
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
  /**
   * The layer whose channels are scaled; of a block, the addition that ends it; of a stream, the first node that joins
   * it.
   */
  readonly layer: string;
  readonly count: number;
  /** γ of its kind. */
  readonly gamma: number;
  /** The γ of structure i is `gamma`·`gammaScale[i]`; one number stands for all. Absent: 1. See `costs.ts`. */
  readonly gammaScale?: readonly number[];
  /** Whether the network would answer every input alike were all of the layer's factors zero. */
  readonly keepLast: boolean;
  /**
   * With `keepLast`: the run of factors, start and end, of which one must stay, where that is not all of them: of a
   * stream that grows on the way, the channels it begins with.
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
 * The factors of a graph, in execution order, read from the names of the parameters that scale activations. A graph
 * does not hold γ: it is taken from `selection`, 0 where that has none.
 */
export function factorsOf(graph: Graph, selection: Selection = {}): readonly Factor[] {
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
  // The last ones first: see `OnlyPath`.
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

/**
 * λ parameters that must not lose all of their factors; `keepRuns`: those where it is all of a run that must not go.
 */
export interface KeptFactors {
  readonly keepLast: ReadonlySet<string>;
  readonly keepRuns?: ReadonlyMap<string, readonly [number, number]>;
}

export function keptFactors(factors: readonly Factor[]): KeptFactors {
  return {
    keepLast: new Set(factors.filter(({ keepLast }) => keepLast).map(({ parameter }) => parameter)),
    keepRuns: new Map(
      factors.flatMap(({ parameter, keepRun }) => (keepRun === undefined ? [] : [[parameter, keepRun] as const])),
    ),
  };
}

/** γ of each structure times `times`, by the factors' parameters and in their shapes. */
export function gammasOf(factors: readonly Factor[], times = 1): Weights {
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

/** What a training step is fed for the factors: `<parameter>.gamma` → γ of each of them. */
export function gammaFeeds(gammas: Weights): Record<string, Tensor> {
  return Object.fromEntries([...gammas].map(([parameter, gamma]) => [`${parameter}.gamma`, gamma] as const));
}

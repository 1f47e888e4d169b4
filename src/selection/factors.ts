/** Scaling factors as data: the parameter λ of each layer, the structures that it scales, and their γ. */
import { requireArguments } from "../core/arguments.ts";
import { required } from "../core/errors.ts";
import { type Tensor, tensor } from "../core/tensor.ts";
import {
  type FactorKind,
  factorKinds,
  type Graph,
  type Node,
  type ScaledStructures,
  type Weights,
} from "../graph/graph.ts";
import { RequiredPath, type ScaledValue } from "./required-path.ts";

export { type FactorKind, factorKinds };

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
export interface Factor extends ScaledStructures {
  /** Name of the λ parameter. */
  readonly parameter: string;
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

/**
 * The factors of a graph, in execution order: the parameters that name the structures they scale. A graph does not
 * contain γ: `selection` gives it, and it is 0 for a kind that `selection` lacks.
 */
export function factorsOf(graph: Graph, selection: Selection = {}): readonly Factor[] {
  requireArguments("factorsOf", { graph: [graph, "graph"], selection: [selection, "object"] });
  const nodesOf = new Map<string, Node<"scale">[]>();
  for (const node of graph.nodes) {
    const [, parameter = ""] = node.inputs;
    if (node.op !== "scale" || node.attributes.axis !== 1) continue;
    nodesOf.set(parameter, [...(nodesOf.get(parameter) ?? []), node]);
  }
  const parameters = new Map(graph.parameters.map((parameter) => [parameter.name, parameter] as const));
  const placed = [...nodesOf].flatMap(([name, nodes]) => {
    const { scales, shape: [count = 0] = [] } = parameters.get(name) ?? {};
    return scales === undefined ? [] : [{ parameter: name, nodes, structures: scales, count }];
  });
  if (placed.length === 0) return [];
  const path = new RequiredPath(graph);
  // The last factors are asked about first: see `RequiredPath`.
  const found = placed.toReversed().map(({ parameter, nodes, structures, count }): Factor => {
    const values = nodes.map(({ name, outputs, attributes: { first } }): ScaledValue => {
      const value = required(outputs[0], `output of "${name}"`);
      return first === undefined ? { value } : { value, first };
    });
    const run = path.keptRun(values, count);
    const isPart = run !== undefined && run[1] - run[0] < count;
    return {
      parameter,
      ...structures,
      count,
      gamma: selection[selectionKeys[structures.kind]] ?? 0,
      keepLast: run !== undefined,
      ...(isPart ? { keepRun: run } : {}),
    };
  });
  return found.toReversed();
}

/** The λ parameters of which one factor must stay above zero. `keepRuns`: the range it must be in, if not all. */
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

/**
 * Finds the scaling factors that gate each channel of a layer's input and output, in a network with factors. That is
 * enough to draw the network at any step of a run without cutting it again.
 */
import { nodeMacs } from "../graph/cost.ts";
import { type Graph, type Node, producers, readers, type Weights } from "../graph/graph.ts";
import type { OpName } from "../graph/ops.ts";
import { inferShapes } from "../graph/shapes.ts";
import { type Factor, factorsOf } from "../selection/factors.ts";
import { type StructureView, structureOf } from "./structure.ts";

/** The channels `at` … `at + channels` are scaled by `count` structures from number `first` on, in equal parts. */
export interface Gate {
  readonly at: number;
  readonly channels: number;
  readonly first: number;
  readonly count: number;
}

/** Number of channels of a value, and their gates. */
export interface Gated {
  readonly channels: number;
  readonly gates: readonly Gate[];
}

export interface LayerFlow {
  readonly out: Gated;
  readonly in: Gated;
  readonly groups: number;
}

/** A network that can be drawn at any step. Structures are numbered over all factors, in their order. */
export interface Skeleton {
  /** Channels, height and width of its input. */
  readonly input: readonly number[];
  /** The whole network. */
  readonly view: StructureView;
  /** By layer name, including layers on shortcuts. */
  readonly flows: Readonly<Record<string, LayerFlow>>;
  /** Number of the structure that gates a whole branch, by the block's name. */
  readonly branches: Readonly<Record<string, number>>;
  readonly structures: number;
}

/** Ops that keep channels apart and in order. */
const CARRIES: ReadonlySet<OpName> = new Set<OpName>([
  "batch_normalization",
  "bias",
  "relu",
  "clip",
  "scale",
  "max_pooling",
  "average_pooling",
  "global_average_pooling",
  "flatten",
]);

class Tracer {
  readonly #makers: ReadonlyMap<string, Node>;
  readonly #readers: ReadonlyMap<string, readonly Node[]>;
  readonly #channels: (value: string) => number;
  readonly #firsts = new Map<string, number>();
  readonly #factors: ReadonlyMap<string, Factor>;

  constructor(graph: Graph, factors: readonly Factor[], channels: (value: string) => number) {
    this.#makers = producers(graph);
    this.#readers = readers(graph);
    this.#channels = channels;
    this.#factors = new Map(factors.map((factor) => [factor.parameter, factor] as const));
    let first = 0;
    for (const { parameter, count } of factors) {
      this.#firsts.set(parameter, first);
      first += count;
    }
  }

  firstOf(parameter: string): number | undefined {
    return this.#firsts.get(parameter);
  }

  /** The gate of `node`, if it is a scaling factor, and its kind. */
  #gateOf(node: Node): (Gate & { readonly kind: Factor["kind"] }) | undefined {
    const [value = "", parameter = ""] = node.inputs;
    const factor = this.#factors.get(parameter);
    const first = this.#firsts.get(parameter);
    if (node.op !== "scale" || factor === undefined || first === undefined) return undefined;
    const channels = this.#channels(value);
    const offset = node.attributes.first;
    return offset === undefined
      ? { at: 0, channels, first, count: factor.count, kind: factor.kind }
      : { at: 0, channels, first: first + offset, count: channels, kind: factor.kind };
  }

  /** Gates of `value` in the nodes that read it. */
  below(value: string): Gate[] {
    const channels = this.#channels(value);
    const found: Gate[] = [];
    // After a sum or a concatenation only streams gate this value, and all their readers have the same gates.
    const walk = (name: string, offset: number, isShared: boolean): boolean => {
      for (const node of this.#readers.get(name) ?? []) {
        const output = node.outputs[0] ?? "";
        const gate = this.#gateOf(node);
        if (gate !== undefined && (!isShared || gate.kind === "stream")) {
          const share = gate.channels / gate.count;
          const first = gate.first + Math.floor(offset / share);
          found.push({ at: 0, channels, first, count: Math.max(1, Math.round(channels / share)) });
          if (isShared) return true;
        }
        if (node.op === "concatenation") {
          const before = node.inputs.slice(0, node.inputs.indexOf(name));
          if (
            walk(
              output,
              before.reduce((sum, one) => sum + this.#channels(one), offset),
              true,
            )
          )
            return true;
        } else if (node.op === "add") {
          if (walk(output, offset, true)) return true;
        } else if (CARRIES.has(node.op) && node.inputs[0] === name && walk(output, offset, isShared)) return true;
      }
      return false;
    };
    walk(value, 0, false);
    return found;
  }

  /** Gates of `value` in the nodes that compute it. */
  above(value: string): Gated {
    const node = this.#makers.get(value);
    const channels = this.#channels(value);
    if (node === undefined) return { channels, gates: [] };
    if (node.op === "convolution" || node.op === "linear") return { channels, gates: this.below(value) };
    if (node.op === "concatenation") {
      let at = 0;
      const gates = node.inputs.flatMap((input) => {
        const part = this.above(input);
        const start = at;
        at += part.channels;
        return part.gates.map((gate) => ({ ...gate, at: gate.at + start }));
      });
      return { channels, gates };
    }
    if (!CARRIES.has(node.op)) return { channels, gates: [] };
    const source = this.above(node.inputs[0] ?? "");
    const own = this.#gateOf(node);
    const gates = source.channels === channels ? source.gates : spread(source, channels);
    if (own === undefined) return { channels, gates };
    const { kind: _kind, ...gate } = own;
    return { channels, gates: [...gates, gate] };
  }
}

/** Flattening makes several consecutive values of each channel. */
function spread({ channels, gates }: Gated, wanted: number): Gate[] {
  const share = wanted / channels;
  return gates.map((gate) => ({ ...gate, at: gate.at * share, channels: gate.channels * share }));
}

/** `graph` has all of its factors; `factors` are in the order of the run's. */
export function skeletonOf(graph: Graph, factors: readonly Factor[] = factorsOf(graph)): Skeleton {
  const shapes = inferShapes(graph, 1);
  const tracer = new Tracer(graph, factors, (value) => shapes.get(value)?.[1] ?? 0);
  const flows: Record<string, LayerFlow> = {};
  for (const node of graph.nodes) {
    if ((node.op !== "convolution" && node.op !== "linear") || nodeMacs(node, shapes) === 0) continue;
    const [input = ""] = node.inputs;
    const [output = ""] = node.outputs;
    const groups = node.op === "convolution" ? node.attributes.groups : 1;
    const out = { channels: shapes.get(output)?.[1] ?? 0, gates: tracer.below(output) };
    flows[node.name] = { out, in: tracer.above(input), groups };
  }
  const blocks = factors.filter(({ kind }) => kind === "block");
  const [input] = graph.inputs;
  return {
    input: (shapes.get(input?.name ?? "") ?? []).slice(1),
    view: structureOf(graph, graph),
    flows,
    branches: Object.fromEntries(blocks.map(({ layer, parameter }) => [layer, tracer.firstOf(parameter) ?? 0])),
    structures: factors.reduce((sum, { count }) => sum + count, 0),
  };
}

/** 1 for each structure whose factor is not zero, in the order of a skeleton. */
export function aliveIn(weights: Weights, factors: readonly Factor[]): Uint8Array {
  return Uint8Array.from(
    factors.flatMap(({ parameter, count }) => {
      const values = weights.get(parameter)?.data;
      return Array.from({ length: count }, (_, index) => ((values?.[index] ?? 1) === 0 ? 0 : 1));
    }),
  );
}

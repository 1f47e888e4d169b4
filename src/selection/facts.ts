/** What is looked up again and again while the places for factors are found: shapes, couplings, readers, and what a zero kills. */
import { required } from "../core/errors.ts";
import type { Shape } from "../core/tensor.ts";
import { type Constants, constantChannels, livingChannels } from "../graph/analysis.ts";
import { Couplings } from "../graph/analysis-coupling.ts";
import { type Graph, type Node, readers } from "../graph/graph.ts";
import type { OpName } from "../graph/ops.ts";
import { inferShapes } from "../graph/shapes.ts";

/** A value that factors scale. */
export interface Site {
  readonly value: string;
  /** The node that makes the value. */
  readonly node: string;
  /** Of a stream: the factor of the value's first channel, where the value has only some of the stream's channels. */
  readonly first?: number;
}

/** Ops that scale and shift each channel of what a layer puts out. */
const normalising: ReadonlySet<OpName> = new Set<OpName>(["batch_normalization", "gain", "bias"]);

export class SelectionFacts {
  readonly graph: Graph;
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly couplings: Couplings;
  readonly #readers: ReadonlyMap<string, readonly Node[]>;
  readonly #weights: ReadonlySet<string>;
  /** With nothing at zero. */
  readonly #constants: Constants;

  constructor(graph: Graph) {
    this.graph = graph;
    this.shapes = inferShapes(graph, 1);
    this.couplings = new Couplings(graph, this.shapes);
    this.#constants = constantChannels(graph, this.shapes, new Map());
    this.#readers = readers(graph);
    this.#weights = new Set(graph.parameters.filter(({ kind }) => kind === "weights").map(({ name }) => name));
  }

  /** Nodes that mix channels: those with weights. */
  get layers(): readonly Node[] {
    return this.graph.nodes.filter(({ inputs }) => inputs.some((input) => this.#weights.has(input)));
  }

  /** Whether some convolution has several groups of several channels each. */
  get hasWideGroups(): boolean {
    const channelsOfGroup = ({ inputs: [, weights = ""] }: Node): number => this.shapes.get(weights)?.[1] ?? 0;
    return this.layers.some(
      (layer) => layer.op === "convolution" && layer.attributes.groups > 1 && channelsOfGroup(layer) > 1,
    );
  }

  /** The classes of the channels of `value`, by channel. */
  classesOf(value: string): Int32Array {
    return this.couplings.classesOf(value, 1);
  }

  /**
   * Where what `layer` puts out is scaled: behind its batch norm if that alone reads it. TensorFlow's files have biases and batch norms
   * as additions and products of their own, several in a row.
   */
  siteBehind(layer: Node): Site {
    let last = layer;
    for (;;) {
      const dst = required(last.outputs[0], `output of "${last.name}"`);
      const [next, ...others] = this.#readers.get(dst) ?? [];
      if (next === undefined || others.length > 0 || !normalising.has(next.op) || this.graph.outputs.includes(dst)) {
        return { value: dst, node: last.name };
      }
      last = next;
    }
  }

  /** Whether zeros in `values` leave none of `classes` alive, whatever the parameters are. */
  dies(values: readonly string[], classes: Iterable<number>): boolean {
    const kept = this.keptUnderZeros(values);
    for (const one of classes) if (kept[one] === 1) return false;
    return true;
  }

  /** Per class: 1 if it still matters once `values` are zero, whatever the parameters are. */
  keptUnderZeros(values: readonly string[]): Uint8Array {
    const { graph, shapes, couplings } = this;
    const assumed = new Map(values.map((value) => [value, new Float64Array(shapes.get(value)?.[1] ?? 0)] as const));
    const constants = constantChannels(graph, shapes, new Map(), assumed, this.#constants);
    return livingChannels({ graph, shapes, weights: new Map(), couplings, constants }).kept;
  }
}

/**
 * Answers the questions that placing factors asks about a graph: shapes, couplings, readers, and which channels a zero
 * factor makes zero.
 */
import { required } from "../core/errors.ts";
import type { Shape } from "../core/tensor.ts";
import { ActivationIndex } from "../graph/activation-index.ts";
import { constantChannels } from "../graph/analysis.ts";
import { Couplings } from "../graph/analysis-coupling.ts";
import { AssumedConstants } from "../graph/assumed-constants.ts";
import { type Graph, type Node, producers, readers } from "../graph/graph.ts";
import type { OpName } from "../graph/ops.ts";
import { inferShapes } from "../graph/shapes.ts";
import { scaledParameters } from "./fold.ts";

/** A value that factors scale. */
export interface Site {
  readonly value: string;
  /** The node that computes the value. */
  readonly node: string;
  /** In a stream: the factor of the value's first channel, if the value has only some of the stream's channels. */
  readonly first?: number;
}

/** Ops that scale or shift each channel of a layer's output. */
const normalising: ReadonlySet<OpName> = new Set<OpName>(["batch_normalization", "gain", "bias"]);

export class PlacementAnalysis {
  readonly graph: Graph;
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly couplings: Couplings;
  /** The nodes with weights. */
  readonly layers: readonly Node[];
  /** Whether some convolution has several groups of several channels each. */
  readonly hasWideGroups: boolean;
  /** The weights that are not trained. */
  readonly #frozen: ReadonlySet<string>;
  readonly #readers: ReadonlyMap<string, readonly Node[]>;
  readonly #makers: ReadonlyMap<string, Node>;
  readonly #index: ActivationIndex;
  /** By channel: its class of coupled channels. */
  readonly #classes: Int32Array;
  /** By class: its channels, in execution order. */
  readonly #members = new Map<number, number[]>();
  /** The classes of the graph's inputs and outputs, which pruning keeps. */
  readonly #fixed: ReadonlySet<number>;
  readonly #assumed: AssumedConstants;
  /** Whether some product of two values has channels that are rows, of other classes than those of its operand. */
  readonly #multipliesRows: boolean;
  #examined = 0;

  constructor(graph: Graph) {
    this.graph = graph;
    this.shapes = inferShapes(graph, 1);
    this.couplings = new Couplings(graph, this.shapes);
    this.#readers = readers(graph);
    this.#makers = producers(graph);
    const ofLayers = graph.parameters.filter(({ kind }) => kind === "weights");
    const weights = new Set(ofLayers.map(({ name }) => name));
    this.#frozen = new Set(ofLayers.filter(({ isFrozen }) => isFrozen === true).map(({ name }) => name));
    this.#multipliesRows = graph.nodes.some(
      ({ op, outputs: [dst = ""] }) => op === "matmul" && this.shapes.get(dst)?.length === 3,
    );
    this.layers = graph.nodes.filter(({ inputs }) => inputs.some((input) => weights.has(input)));
    this.hasWideGroups = this.layers.some(
      (layer) =>
        (layer.op === "convolution" || layer.op === "deconvolution") &&
        layer.attributes.groups > 1 &&
        (this.shapes.get(layer.inputs[1] ?? "")?.[1] ?? 0) > 1,
    );
    this.#index = new ActivationIndex(graph, this.shapes, new Map());
    this.#classes = new Int32Array(this.#index.valueOf.length);
    for (const [value, name] of this.#index.values.entries()) {
      this.#classes.set(this.classesOf(name), this.#index.starts[value]);
    }
    for (const [channel, one] of this.#classes.entries()) {
      const members = this.#members.get(one);
      if (members === undefined) this.#members.set(one, [channel]);
      else members.push(channel);
    }
    const ends = [...graph.inputs.map(({ name }) => name), ...graph.outputs];
    this.#fixed = new Set(ends.flatMap((value) => [...this.classesOf(value)]));
    const constants = constantChannels(graph, this.shapes, new Map());
    const [classes, mixed] = [this.#classes, this.#index.mixedBy(this.#classes)];
    this.#assumed = new AssumedConstants(this.#index, constants, { classes, mixed });
  }

  /** Whether training leaves the weights of `layer` as they are. */
  isFrozen({ inputs }: Node): boolean {
    return inputs.some((input) => this.#frozen.has(input));
  }

  /**
   * How many channels `haveNoEffect` and `effectiveClasses` have visited so far. It grows linearly with the network.
   */
  get visits(): number {
    return this.#assumed.visits + this.#examined;
  }

  /** The classes of the channels of `value`, by channel. */
  classesOf(value: string): Int32Array {
    return this.couplings.classesOf(value, 1);
  }

  /** The nodes whose outputs have channels of `classes`, in execution order. */
  nodesWith(classes: Iterable<number>): readonly Node[] {
    const values = new Set<number>();
    for (const one of classes) {
      for (const channel of this.#members.get(one) ?? []) values.add(this.#index.valueOf[channel] ?? 0);
    }
    return [...values]
      .toSorted((a, b) => a - b)
      .flatMap((value) => this.#makers.get(this.#index.values[value] ?? "") ?? []);
  }

  /**
   * The value that a factor of `layer` scales: the output of its batch norm if no other node reads the layer, else the
   * layer's own output. Files from TensorFlow write biases and batch norms as several additions and products in a row.
   */
  siteBehind(layer: Node): Site {
    let last = layer;
    for (;;) {
      const next = this.#onlyReader(last);
      // Behind a norm of the image's own numbers, a factor needs a gain to be folded into.
      const behind = next?.op === "normalization" ? this.#onlyReader(next) : next;
      const isPassed = behind !== undefined && (behind === next ? normalising.has(behind.op) : behind.op === "gain");
      if (!isPassed) return { value: required(last.outputs[0], `output of "${last.name}"`), node: last.name };
      last = behind;
    }
  }

  /** The node that reads the output of `node`, if no other node does and the graph does not return it. */
  #onlyReader(node: Node): Node | undefined {
    const dst = required(node.outputs[0], `output of "${node.name}"`);
    const [next, ...others] = this.#readers.get(dst) ?? [];
    return others.length > 0 || this.graph.outputs.includes(dst) ? undefined : next;
  }

  /** The number of groups in which a group norm behind `layer` normalises its channels; undefined without one. */
  normalisedGroups(layer: Node): number | undefined {
    for (let node = this.#onlyReader(layer); node !== undefined; node = this.#onlyReader(node)) {
      if (node.op === "normalization") return node.attributes.groups;
      if (!normalising.has(node.op)) return undefined;
    }
    return undefined;
  }

  /**
   * Whether factors on `sites` fold into parameters that a layer without these factors reads too. Each layer would then
   * need a copy of its own, and the network would grow.
   */
  splitsSharedWeights(sites: readonly Site[]): boolean {
    const scaled = sites.flatMap(({ value, first }) =>
      scaledParameters(value, this.#makers).map(({ layer, parameter }) => ({
        parameter,
        keyOf: (reader: Node) => JSON.stringify([reader.name, parameter, first]),
        layer,
      })),
    );
    const known = new Set(scaled.map(({ layer, keyOf }) => keyOf(layer)));
    return scaled.some(({ parameter, keyOf }) =>
      (this.#readers.get(parameter) ?? []).some((reader) => !known.has(keyOf(reader))),
    );
  }

  /** Whether none of `classes` has an effect if the channels of `values` are zero: then pruning removes all of them. */
  haveNoEffect(values: readonly string[], classes: Iterable<number>): boolean {
    return this.effectiveClasses(values, classes, 1).size === 0;
  }

  /**
   * The classes of `classes` that still have an effect if the channels of `values` are zero, whatever the parameters
   * are. Such a class has a channel that is not zero and that a channel of another class is computed from. Pruning
   * keeps the class. The search stops after `most` classes.
   */
  effectiveClasses(
    values: readonly string[],
    classes: Iterable<number>,
    most: number = Number.POSITIVE_INFINITY,
  ): ReadonlySet<number> {
    const distinct = [...new Set(classes)];
    const zeros = values.flatMap((value) => this.#index.channelsOf(value));
    if (!this.#multipliesRows) return this.#effectiveAmong(zeros, distinct, most);
    // Zeros of several classes at once would make a row of a product zero that none of them makes zero alone.
    const effective = new Set<number>();
    for (const one of distinct) {
      if (effective.size >= most) break;
      const own = zeros.filter((channel) => this.#classes[channel] === one);
      for (const found of this.#effectiveAmong(own, [one], 1)) effective.add(found);
    }
    return effective;
  }

  /** The classes among `classes` that have an effect if the channels `zeros` are zero, all at once. */
  #effectiveAmong(zeros: readonly number[], classes: readonly number[], most: number): ReadonlySet<number> {
    const effective = new Set<number>();
    // The readers of these channels compute channels of this one class only.
    const uniform = new Map<readonly number[], number>();
    try {
      this.#assumed.assume(zeros);
      this.#assumed.advance();
      for (const one of classes) {
        if (effective.size >= most) break;
        const hasEffect = (channel: number): boolean => this.#hasEffect(channel, one, uniform);
        if (this.#fixed.has(one) || this.#members.get(one)?.some(hasEffect) === true) effective.add(one);
      }
      return effective;
    } finally {
      this.#assumed.forget();
    }
  }

  /** Whether `channel` of class `one` is not zero and a channel of another class reads it. */
  #hasEffect(channel: number, one: number, uniform: Map<readonly number[], number>): boolean {
    this.#examined++;
    if (this.#assumed.now[channel] === 0) return false;
    return this.#index.readersOf(this.#index.valueOf[channel] ?? 0).some((reader) => {
      const { start, channels } = this.#index.reachOf(reader, channel);
      // A reader with one number for each image has no channels, but it needs what it is computed from.
      if (this.#index.channelCount(reader.dst) === 0) return true;
      if (uniform.get(channels) === one) return false;
      const isReadByOthers = channels.some((own) => this.#classes[start + own] !== one);
      if (!isReadByOthers && channels.length > 1) uniform.set(channels, one);
      return isReadByOthers;
    });
  }
}

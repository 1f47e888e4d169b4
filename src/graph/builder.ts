/**
 * Builds a graph node by node. Each method adds one node named `name` and returns the name of its output. Parameters
 * are named `<name>.<kind>`. A single number for padding or strides applies to both axes.
 */
import { requireArguments } from "../core/arguments.ts";
import { InternalError, required, UserError } from "../core/errors.ts";
import type { Shape } from "../core/tensor.ts";
import {
  type Graph,
  type Input,
  makeNode,
  type Node,
  type Parameter,
  type ParameterKind,
  type SymbolicShape,
} from "./graph.ts";
import type {
  ActivationAttributes,
  Attributes,
  BatchNormalizationAttributes,
  ForwardOpName,
  Padding,
  Pair,
  SoftmaxAttributes,
} from "./ops.ts";
import { bindBatch, inferNode } from "./shapes.ts";

export interface ConvolutionOptions {
  /** Output channels. */
  readonly channels: number;
  readonly kernel: number | Pair;
  readonly strides?: number | Pair;
  readonly padding?: number | Padding;
  readonly dilation?: number | Pair;
  readonly groups?: number;
  readonly bias?: boolean;
}

export interface PoolingOptions {
  readonly kernel: number | Pair;
  /** Default: the kernel. */
  readonly strides?: number | Pair;
  readonly padding?: number | Padding;
}

function pair(value: number | Pair): Pair {
  return typeof value === "number" ? [value, value] : value;
}

function sides(value: number | Padding): Padding {
  return typeof value === "number" ? { top: value, left: value, bottom: value, right: value } : value;
}

/** The batch size for checking shapes while building. Any size would do. */
const PROBE_BATCH = 1;

/** Builds a graph. Methods throw `UserError("bad-graph")` on a node that is illegal for its inputs. */
export class GraphBuilder {
  readonly #name: string;
  readonly #inputs: Input[] = [];
  readonly #parameters: Parameter[] = [];
  readonly #nodes: Node[] = [];
  readonly #outputs: string[] = [];
  readonly #shapes = new Map<string, Shape>();

  constructor(name: string) {
    requireArguments("new GraphBuilder", { name: [name, "text"] });
    this.#name = name;
  }

  /** The shape of a value for a batch of 1. */
  shape(value: string): Shape {
    return required(this.#shapes.get(value), `value "${value}"`);
  }

  input(name: string, shape: SymbolicShape): string {
    this.#inputs.push({ name, dtype: "f32", shape });
    return this.#declare(name, bindBatch(shape, PROBE_BATCH));
  }

  parameter(name: string, shape: readonly number[], kind: ParameterKind): string {
    this.#parameters.push({ name, shape, kind });
    return this.#declare(name, shape);
  }

  convolution(name: string, src: string, options: ConvolutionOptions): string {
    const { channels, kernel, strides = 1, padding = 0, dilation = 1, groups = 1, bias = false } = options;
    const inputChannels = this.shape(src)[1] ?? 0;
    if (inputChannels % groups !== 0) {
      throw new UserError("bad-graph", "groups do not divide the input channels", {
        about: `convolution "${name}"`,
        expected: `a divisor of ${inputChannels}`,
        received: `${groups}`,
        hint: "Choose another number of groups or of channels",
      });
    }
    const inputs = [
      src,
      this.parameter(`${name}.weights`, [channels, inputChannels / groups, ...pair(kernel)], "weights"),
    ];
    if (bias) inputs.push(this.parameter(`${name}.bias`, [channels], "bias"));
    return this.node("convolution", name, inputs, {
      strides: pair(strides),
      padding: sides(padding),
      dilation: pair(dilation),
      groups,
    });
  }

  batchNormalization(
    name: string,
    src: string,
    { epsilon = 1e-5, momentum = 0.1 }: Partial<BatchNormalizationAttributes> = {},
  ): string {
    const channels = [this.shape(src)[1] ?? 0];
    return this.node(
      "batch_normalization",
      name,
      [
        src,
        this.parameter(`${name}.scale`, channels, "scale"),
        this.parameter(`${name}.shift`, channels, "shift"),
        this.parameter(`${name}.running_mean`, channels, "running_mean"),
        this.parameter(`${name}.running_variance`, channels, "running_variance"),
      ],
      { epsilon, momentum },
    );
  }

  relu(name: string, src: string): string {
    return this.node("relu", name, [src], {});
  }

  /** min(6, max(0, x)), the activation of MobileNetV2. */
  relu6(name: string, src: string): string {
    return this.node("clip", name, [src], { minimum: 0, maximum: 6 });
  }

  activation(name: string, src: string, attributes: ActivationAttributes): string {
    return this.node("activation", name, [src], attributes);
  }

  softmax(name: string, src: string, attributes: SoftmaxAttributes = {}): string {
    return this.node("softmax", name, [src], attributes);
  }

  add(name: string, a: string, b: string): string {
    return this.node("add", name, [a, b], {});
  }

  /** The product. One factor may be broadcast along pixels or channels; see the `multiply` op. */
  multiply(name: string, a: string, b: string): string {
    return this.node("multiply", name, [a, b], {});
  }

  gain(name: string, src: string): string {
    return this.node("gain", name, [src, this.parameter(`${name}.gain`, [this.shape(src)[1] ?? 0], "scale")], {});
  }

  bias(name: string, src: string): string {
    return this.node("bias", name, [src, this.parameter(`${name}.bias`, [this.shape(src)[1] ?? 0], "bias")], {});
  }

  concatenation(name: string, sources: readonly string[]): string {
    return this.node("concatenation", name, sources, {});
  }

  maxPooling(name: string, src: string, { kernel, strides = kernel, padding = 0 }: PoolingOptions): string {
    const attributes = { kernel: pair(kernel), strides: pair(strides), padding: sides(padding) };
    return this.node("max_pooling", name, [src], attributes);
  }

  averagePooling(
    name: string,
    src: string,
    { kernel, strides = kernel, padding = 0, countIncludePad = false }: PoolingOptions & { countIncludePad?: boolean },
  ): string {
    const attributes = { kernel: pair(kernel), strides: pair(strides), padding: sides(padding), countIncludePad };
    return this.node("average_pooling", name, [src], attributes);
  }

  globalAveragePooling(name: string, src: string): string {
    return this.node("global_average_pooling", name, [src], {});
  }

  /** A linear layer with `outputs` output features. It has a bias by default. */
  linear(name: string, src: string, outputs: number, { bias = true }: { readonly bias?: boolean } = {}): string {
    const features = this.shape(src)[1] ?? 0;
    const inputs = [src, this.parameter(`${name}.weights`, [outputs, features], "weights")];
    if (bias) inputs.push(this.parameter(`${name}.bias`, [outputs], "bias"));
    return this.node("linear", name, inputs, {});
  }

  flatten(name: string, src: string, { channelsLast = false }: { readonly channelsLast?: boolean } = {}): string {
    return this.node("flatten", name, [src], channelsLast ? { channelsLast } : {});
  }

  upsampling(name: string, src: string, factors: number | Pair): string {
    return this.node("upsampling", name, [src], { factors: pair(factors) });
  }

  transpose(name: string, src: string, permutation: readonly number[]): string {
    return this.node("transpose", name, [src], { permutation });
  }

  pad(name: string, src: string, before: readonly number[], after: readonly number[]): string {
    return this.node("pad", name, [src], { before, after });
  }

  /** Takes every `step`-th pixel of rows and columns, starting with the first. */
  subsample(name: string, src: string, step: number): string {
    const [, channels = 0, height = 0, width = 0] = this.shape(src);
    return this.node("slice", name, [src], {
      starts: [0, 0, 0, 0],
      ends: ["N", channels, height, width],
      steps: [1, 1, step, step],
    });
  }

  /** `factors` scaling factors over the channels of `src`; see the `scale` op. */
  scale(name: string, src: string, factors: number): string {
    return this.node("scale", name, [src, this.parameter(`${name}.factor`, [factors], "factor")], { axis: 1 });
  }

  /** Any node with one output, which has the name of the node. */
  node<K extends ForwardOpName>(op: K, name: string, inputs: readonly string[], attributes: Attributes<K>): string {
    const node = makeNode(op, name, inputs, [name], attributes);
    const shapes = inputs.map((input) => this.shape(input));
    const [dst] = inferNode(node, shapes, PROBE_BATCH);
    this.#nodes.push(node);
    return this.#declare(name, required(dst, `shape of "${name}"`));
  }

  output(value: string): void {
    this.shape(value);
    this.#outputs.push(value);
  }

  build(): Graph {
    return {
      name: this.#name,
      inputs: this.#inputs,
      parameters: this.#parameters,
      nodes: this.#nodes,
      outputs: this.#outputs,
      updates: [],
    };
  }

  #declare(name: string, shape: Shape): string {
    if (this.#shapes.has(name)) throw new InternalError(`two values named "${name}" in graph "${this.#name}"`);
    this.#shapes.set(name, shape);
    return name;
  }
}

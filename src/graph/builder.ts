/**
 * Builds a graph node by node. Each method adds one node named `name` and returns the name of its output. Parameters
 * are named `<name>.<kind>`. A single number for padding or strides applies to every axis of pixels.
 */
import { type Arguments, requireArguments, requireOneOf } from "../core/arguments.ts";
import { required, UserError } from "../core/errors.ts";
import { unknownName } from "../core/names.ts";
import { optional } from "../core/optional.ts";
import type { Shape } from "../core/tensor.ts";
import type {
  ActivationAttributes,
  BinaryAttributes,
  LocalResponseNormalizationAttributes,
  NormalizationAttributes,
  Pair,
  ReductionAttributes,
  ResamplingAttributes,
  SoftmaxAttributes,
} from "./attributes.ts";
import {
  type ConvolutionOptions,
  channelsOfGroup,
  convolutionKinds,
  type DeconvolutionOptions,
  extents,
  type LinearOptions,
  layerWindow,
  type NormalizationOptions,
  type PoolingOptions,
  pair,
  poolingKinds,
  requireWeightsOptions,
  type WeightsOptions,
  windowOf,
} from "./builder-options.ts";
import {
  type Graph,
  type Input,
  type IntegerType,
  integerTypes,
  makeNode,
  type Node,
  networkParameterKinds,
  optimizerStateKinds,
  type Parameter,
  type ParameterKind,
  type SymbolicShape,
} from "./graph.ts";
import { type ArgumentKinds, fieldsOf, requireAttributes } from "./node-arguments.ts";
import type { Attributes, ForwardOpName } from "./ops.ts";
import { bindBatch, inferNode } from "./shapes.ts";

/** The batch size for checking shapes while building. Any size would do. */
const PROBE_BATCH = 1;

/**
 * Builds a graph. Methods throw `UserError("bad-graph")` on a node that is illegal for its inputs or whose name is
 * taken, `"unknown-name"` on a value that there is not, and `"bad-option"` on an argument of the wrong kind.
 */
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
    requireArguments("GraphBuilder.shape", { value: [value, "text"] });
    const shape = this.#shapes.get(value);
    if (shape === undefined) throw unknownName("value", value, [...this.#shapes.keys()]);
    return shape;
  }

  /** `integer`: the type of the integers that it takes in files; default: it takes floats. */
  input(name: string, shape: SymbolicShape, integer?: IntegerType): string {
    this.#check("input", name, {}, { shape: [shape, "symbolic shape"] });
    if (integer !== undefined) requireOneOf("GraphBuilder.input", "integer", integer, integerTypes);
    this.#declare(name, bindBatch(shape, PROBE_BATCH));
    this.#inputs.push({ name, dtype: "f32", shape, ...optional({ integer }) });
    return name;
  }

  /** `options` are for parameters that training changes; `initial` is for weights. */
  parameter(name: string, shape: readonly number[], kind: ParameterKind, options: WeightsOptions = {}): string {
    this.#check("parameter", name, {}, { shape: [shape, "shape"], options: [options, "object"] });
    requireOneOf("GraphBuilder.parameter", "kind", kind, [...networkParameterKinds, ...optimizerStateKinds]);
    requireWeightsOptions("GraphBuilder.parameter", "options", options);
    this.#declare(name, shape);
    const { initial, isFrozen = false } = options;
    this.#parameters.push({ name, shape, kind, ...optional({ initial }), ...(isFrozen ? { isFrozen } : {}) });
    return name;
  }

  convolution(name: string, src: string, options: ConvolutionOptions): string {
    this.#check("convolution", name, { src }, fieldsOf("options", options, convolutionKinds));
    const inputs = this.#layerInputs("convolution", name, src, options);
    return this.node("convolution", name, inputs, layerWindow(options, this.shape(src).length));
  }

  /** A transposed convolution. */
  deconvolution(name: string, src: string, options: DeconvolutionOptions): string {
    const kinds: ArgumentKinds = { ...convolutionKinds, outputPadding: "number or shape?" };
    this.#check("deconvolution", name, { src }, fieldsOf("options", options, kinds));
    const rank = this.shape(src).length;
    return this.node("deconvolution", name, this.#layerInputs("deconvolution", name, src, options), {
      ...layerWindow(options, rank),
      outputPadding: extents(options.outputPadding ?? 0, rank),
    });
  }

  batchNormalization(name: string, src: string, options: NormalizationOptions = {}): string {
    const kinds: ArgumentKinds = { epsilon: "number?", momentum: "number?", isScaleFrozen: "boolean?" };
    this.#check("batchNormalization", name, { src }, fieldsOf("options", options, kinds));
    const { epsilon = 1e-5, momentum = 0.1, isScaleFrozen = false } = options;
    const channels = [this.shape(src)[1] ?? 0];
    return this.node(
      "batch_normalization",
      name,
      [
        src,
        this.parameter(`${name}.scale`, channels, "scale", { isFrozen: isScaleFrozen }),
        this.parameter(`${name}.shift`, channels, "shift"),
        this.parameter(`${name}.running_mean`, channels, "running_mean"),
        this.parameter(`${name}.running_variance`, channels, "running_variance"),
      ],
      { epsilon, momentum },
    );
  }

  relu(name: string, src: string): string {
    this.#check("relu", name, { src });
    return this.node("relu", name, [src], {});
  }

  /** min(6, max(0, x)), the activation of MobileNetV2. */
  relu6(name: string, src: string): string {
    this.#check("relu6", name, { src });
    return this.node("clip", name, [src], { minimum: 0, maximum: 6 });
  }

  activation(name: string, src: string, attributes: ActivationAttributes): string {
    this.#check("activation", name, { src });
    requireAttributes("GraphBuilder.activation", "activation", attributes);
    return this.node("activation", name, [src], attributes);
  }

  /** x · Φ(x), with the normal distribution Φ, or its approximation by tanh. */
  gelu(name: string, src: string, options: { readonly approximation?: "none" | "tanh" } = {}): string {
    this.#check("gelu", name, { src }, fieldsOf("options", options, { approximation: "text?" }));
    return this.activation(name, src, { function: "gelu", approximation: options.approximation ?? "none" });
  }

  softmax(name: string, src: string, attributes: SoftmaxAttributes = {}): string {
    this.#check("softmax", name, { src });
    requireAttributes("GraphBuilder.softmax", "softmax", attributes);
    return this.node("softmax", name, [src], attributes);
  }

  add(name: string, a: string, b: string): string {
    this.#check("add", name, { a, b });
    return this.node("add", name, [a, b], {});
  }

  /** The product. One factor may be broadcast along pixels or channels; see the `multiply` op. */
  multiply(name: string, a: string, b: string): string {
    this.#check("multiply", name, { a, b });
    return this.node("multiply", name, [a, b], {});
  }

  /**
   * f(a, b), of values or of a value a and a parameter b that has no batch axis; broadcast as the `binary` op says.
   */
  binary(name: string, a: string, b: string, attributes: BinaryAttributes): string {
    this.#check("binary", name, { a, b });
    requireAttributes("GraphBuilder.binary", "binary", attributes);
    return this.node("binary", name, [a, b], attributes);
  }

  /** The product of the matrices along the last two axes of two values. */
  matmul(name: string, a: string, b: string): string {
    this.#check("matmul", name, { a, b });
    return this.node("matmul", name, [a, b], {});
  }

  /** One number of all along some axes. */
  reduction(name: string, src: string, attributes: ReductionAttributes): string {
    this.#check("reduction", name, { src });
    requireAttributes("GraphBuilder.reduction", "reduction", attributes);
    return this.node("reduction", name, [src], attributes);
  }

  /**
   * Instance, group and layer norm, by axes and groups: the values less their mean, divided by their standard
   * deviation. A gain and a bias behind it make it the layer of other libraries.
   */
  normalization(name: string, src: string, attributes: NormalizationAttributes): string {
    this.#check("normalization", name, { src });
    requireAttributes("GraphBuilder.normalization", "normalization", attributes);
    return this.node("normalization", name, [src], attributes);
  }

  localResponseNormalization(name: string, src: string, attributes: LocalResponseNormalizationAttributes): string {
    this.#check("localResponseNormalization", name, { src });
    requireAttributes("GraphBuilder.localResponseNormalization", "local_response_normalization", attributes);
    return this.node("local_response_normalization", name, [src], attributes);
  }

  /** A leaky ReLU whose slopes are trained, from 0 on: one a channel, or with `shared` one for all. */
  prelu(name: string, src: string, options: { readonly shared?: boolean } = {}): string {
    this.#check("prelu", name, { src }, fieldsOf("options", options, { shared: "boolean?" }));
    const slopes = options.shared === true ? 1 : (this.shape(src)[1] ?? 1);
    return this.node("prelu", name, [src, this.parameter(`${name}.slope`, [slopes], "shift")], {});
  }

  gain(name: string, src: string): string {
    this.#check("gain", name, { src });
    return this.node("gain", name, [src, this.parameter(`${name}.gain`, [this.shape(src)[1] ?? 0], "scale")], {});
  }

  bias(name: string, src: string): string {
    this.#check("bias", name, { src });
    return this.node("bias", name, [src, this.parameter(`${name}.bias`, [this.shape(src)[1] ?? 0], "bias")], {});
  }

  concatenation(name: string, sources: readonly string[]): string {
    this.#check("concatenation", name, {}, { sources: [sources, "texts"] });
    return this.node("concatenation", name, sources, {});
  }

  maxPooling(name: string, src: string, options: PoolingOptions): string {
    this.#check("maxPooling", name, { src }, fieldsOf("options", options, poolingKinds));
    const { kernel, strides = kernel, padding = 0 } = options;
    const attributes = windowOf(kernel, strides, padding, this.shape(src).length);
    return this.node("max_pooling", name, [src], attributes);
  }

  averagePooling(name: string, src: string, options: PoolingOptions & { countIncludePad?: boolean }): string {
    const kinds: ArgumentKinds = { ...poolingKinds, countIncludePad: "boolean?" };
    this.#check("averagePooling", name, { src }, fieldsOf("options", options, kinds));
    const { kernel, strides = kernel, padding = 0, countIncludePad = false } = options;
    const attributes = { ...windowOf(kernel, strides, padding, this.shape(src).length), countIncludePad };
    return this.node("average_pooling", name, [src], attributes);
  }

  globalAveragePooling(name: string, src: string): string {
    this.#check("globalAveragePooling", name, { src });
    return this.node("global_average_pooling", name, [src], {});
  }

  /** A linear layer with `outputs` output features. It has a bias by default. */
  linear(name: string, src: string, outputs: number, options: LinearOptions = {}): string {
    const given: Arguments = {
      outputs: [outputs, "positive whole number"],
      ...fieldsOf("options", options, { bias: "boolean?", weights: "object?" }),
    };
    this.#check("linear", name, { src }, given);
    const { bias = true, weights } = options;
    requireWeightsOptions("GraphBuilder.linear", "options.weights", weights ?? {});
    const features = this.shape(src)[1] ?? 0;
    const inputs = [src, this.parameter(`${name}.weights`, [outputs, features], "weights", weights)];
    if (bias) inputs.push(this.parameter(`${name}.bias`, [outputs], "bias"));
    return this.node("linear", name, inputs, {});
  }

  /** The row of a table of `rows` rows and `features` columns that number `column` of each image names. */
  lookup(name: string, src: string, rows: number, features: number, column = 0): string {
    const given: Arguments = {
      ...{ rows: [rows, "positive whole number"], features: [features, "positive whole number"] },
      column: [column, "whole number"],
    };
    this.#check("lookup", name, { src }, given);
    return this.node("lookup", name, [src, this.parameter(`${name}.table`, [rows, features], "weights")], { column });
  }

  flatten(name: string, src: string, options: { readonly channelsLast?: boolean } = {}): string {
    this.#check("flatten", name, { src }, fieldsOf("options", options, { channelsLast: "boolean?" }));
    return this.node("flatten", name, [src], options.channelsLast ? { channelsLast: true } : {});
  }

  upsampling(name: string, src: string, factors: number | Pair): string {
    this.#check("upsampling", name, { src }, { factors: [factors, "number or pair"] });
    return this.node("upsampling", name, [src], { factors: pair(factors) });
  }

  /** Images of another size, or with a border; see the `resampling` op. */
  resampling(name: string, src: string, attributes: ResamplingAttributes): string {
    this.#check("resampling", name, { src });
    requireAttributes("GraphBuilder.resampling", "resampling", attributes);
    return this.node("resampling", name, [src], attributes);
  }

  /** The same numbers of each image with other extents; `shape` is without the batch. */
  reshape(name: string, src: string, shape: readonly number[]): string {
    this.#check("reshape", name, { src }, { shape: [shape, "shape"] });
    return this.node("reshape", name, [src], { shape });
  }

  /** Channel c becomes channel order[c] of `src`. */
  gather(name: string, src: string, order: readonly number[]): string {
    this.#check("gather", name, { src }, { order: [order, "shape"] });
    return this.node("gather", name, [src], { order });
  }

  transpose(name: string, src: string, permutation: readonly number[]): string {
    this.#check("transpose", name, { src }, { permutation: [permutation, "shape"] });
    return this.node("transpose", name, [src], { permutation });
  }

  pad(name: string, src: string, before: readonly number[], after: readonly number[]): string {
    this.#check("pad", name, { src }, { before: [before, "integers"], after: [after, "integers"] });
    return this.node("pad", name, [src], { before, after });
  }

  /** Takes every `step`-th pixel of rows and columns, starting with the first. */
  subsample(name: string, src: string, step: number): string {
    this.#check("subsample", name, { src }, { step: [step, "positive whole number"] });
    const [, channels = 0, height = 0, width = 0] = this.shape(src);
    return this.node("slice", name, [src], {
      starts: [0, 0, 0, 0],
      ends: ["N", channels, height, width],
      steps: [1, 1, step, step],
    });
  }

  /** `factors` scaling factors over the channels of `src`; see the `scale` op. */
  scale(name: string, src: string, factors: number): string {
    this.#check("scale", name, { src }, { factors: [factors, "positive whole number"] });
    return this.node("scale", name, [src, this.parameter(`${name}.factor`, [factors], "factor")], { axis: 1 });
  }

  /** Any node with one output, which has the name of the node. */
  node<K extends ForwardOpName>(op: K, name: string, inputs: readonly string[], attributes: Attributes<K>): string {
    this.#check("node", name, {}, { inputs: [inputs, "texts"] });
    requireAttributes("GraphBuilder.node", op, attributes);
    const node = makeNode(op, name, inputs, [name], attributes);
    const shapes = inputs.map((input) => this.shape(input));
    const [dst] = inferNode(node, shapes, PROBE_BATCH);
    this.#declare(name, required(dst, `shape of "${name}"`));
    this.#nodes.push(node);
    return name;
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

  /** The inputs of a layer over images or volumes, whose parameters it declares. */
  #layerInputs(op: string, name: string, src: string, options: ConvolutionOptions): string[] {
    const { channels, kernel, groups = 1, bias = false, weights } = options;
    requireWeightsOptions(`GraphBuilder.${op}`, "options.weights", weights ?? {});
    const inputs = this.shape(src)[1] ?? 0;
    const shape = [
      channels,
      channelsOfGroup(`${op} "${name}"`, inputs, groups),
      ...extents(kernel, this.shape(src).length),
    ];
    const values = [src, this.parameter(`${name}.weights`, shape, "weights", weights)];
    return bias ? [...values, this.parameter(`${name}.bias`, [channels], "bias")] : values;
  }

  /** Throws unless `name` is a text, each of `sources` a value of this graph, and each of `others` of its kind. */
  #check(method: string, name: string, sources: Readonly<Record<string, string>>, others: Arguments = {}): void {
    const texts = Object.entries({ name, ...sources }).map(([argument, value]) => [argument, [value, "text"]] as const);
    requireArguments(`GraphBuilder.${method}`, { ...Object.fromEntries(texts), ...others });
    for (const source of Object.values(sources)) this.shape(source);
  }

  #declare(name: string, shape: Shape): void {
    if (this.#shapes.has(name)) {
      throw new UserError("bad-graph", `two values are named "${name}"`, {
        about: this.#name,
        hint: "Give each input, parameter and node a name of its own",
      });
    }
    this.#shapes.set(name, shape);
  }
}

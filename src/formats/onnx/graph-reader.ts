/** The state of reading a graph: shapes, constants, views of constants, parameters, and the nodes read so far. */
import { UserError } from "../../core/errors.ts";
import { elementCount, formatShape, type Shape, sameShape, type Tensor } from "../../core/tensor.ts";
import { type Input, makeNode, type Node } from "../../graph/graph.ts";
import type { Attributes, ForwardOpName } from "../../graph/ops.ts";
import { bindBatch, inferNode } from "../../graph/shapes.ts";
import { channelsLastNode } from "./channels-last-inputs.ts";
import { type Constant, scalarsOf } from "./folding/constant.ts";
import { batchSize, type Scalar } from "./folding/scalar.ts";
import type { NodeReader } from "./node-reader.ts";
import { UNSOUND_HINT } from "./problems.ts";
import type { ReadContext, View } from "./rules.ts";

/** What a file declares besides its nodes. */
export interface FileFacts {
  readonly file: string;
  readonly inputs: readonly Input[];
  /** Element types of the inputs in the file, as `TensorProto.DataType`. */
  readonly inputTypes: ReadonlySet<number>;
  /** Names of the inputs that have their channels last. */
  readonly channelsLast: ReadonlySet<string>;
  /**
   * Whether the file's metadata names the channels-last inputs. Such a file was written here: it transposes these
   * inputs at once, and the rest of it has its channels first.
   */
  readonly notesChannelsLast: boolean;
  readonly initializers: ReadonlyMap<string, Constant>;
  /** Exact attribute values from the metadata; see `WriteContext.keepExact`. */
  readonly exact: ReadonlyMap<string, number>;
  readonly fixedBatch: number | undefined;
  /** Value → how many nodes and graph outputs read it. */
  readonly readers: ReadonlyMap<string, number>;
  /** All outputs of the file's nodes. */
  readonly made: ReadonlySet<string>;
}

export class GraphReader implements ReadContext {
  readonly nodes: Node[] = [];
  /** Shapes of the constants that nodes read as parameters. */
  readonly parameterShapes: Map<string, Shape> = new Map();
  readonly constants: Map<string, Constant> = new Map();
  /** Constants that the file computes from numbers and shapes alone, such as a mask: they are no weights. */
  readonly computed: Set<string> = new Set();
  /** Outputs of the file's `MatMul` nodes. */
  readonly products: Set<string> = new Set();
  /** Channels-last input of the file → the channels-first value that replaces it. */
  readonly channelsFirstOf: Map<string, string> = new Map();
  readonly #facts: FileFacts;
  readonly #shapes = new Map<string, Shape>();
  readonly #views = new Map<string, View>();
  readonly #aliases = new Map<string, string>();
  readonly #producers = new Map<string, Node>();
  readonly #nodeNames = new Set<string>();
  /** Dims of the values whose batch need not be their first axis. */
  readonly #extents = new Map<string, readonly Scalar[]>();

  constructor(facts: FileFacts) {
    this.#facts = facts;
    for (const [name, constant] of facts.initializers) this.declareConstant(name, constant);
    for (const { name, shape } of facts.inputs) {
      this.#declare(name, bindBatch(shape, 1));
      if (facts.channelsLast.has(name)) this.#declareChannelsFirst(name);
    }
  }

  /** The name of the first input. */
  get images(): string {
    return this.#facts.inputs[0]?.name ?? "";
  }

  get fixedBatch(): number | undefined {
    return this.#facts.fixedBatch;
  }

  get inputTypes(): ReadonlySet<number> {
    return this.#facts.inputTypes;
  }

  /** The value that `name` is an alias of, or `name` itself. */
  resolve(name: string): string {
    return this.#aliases.get(name) ?? name;
  }

  shape(value: string): Shape {
    const shape = this.parameterShapes.get(value) ?? this.#shapes.get(value);
    if (shape === undefined) {
      throw new UserError("bad-file", `value "${value}" is read before any node computes it`, {
        about: this.#facts.file,
        hint: UNSOUND_HINT,
      });
    }
    return shape;
  }

  extents(value: string): readonly Scalar[] {
    const shape = this.shape(value);
    if (this.isConstant(value)) return this.constants.get(value)?.dims ?? shape;
    const arranged = this.#extents.get(value);
    if (arranged !== undefined) return arranged;
    return [this.fixedBatch ?? batchSize, ...shape.slice(1)];
  }

  isConstant(value: string): boolean {
    this.shape(value);
    return this.#views.has(value);
  }

  constant(value: string): Constant | undefined {
    this.shape(value);
    return this.constants.get(value);
  }

  view(value: string): View | undefined {
    this.shape(value);
    return this.#views.get(value);
  }

  declareConstant(value: string, constant: Constant): void {
    this.declareView(value, { source: value, dims: constant.dims, indices: undefined });
    this.constants.set(value, constant);
  }

  /** Declares a constant that the file lacks, under `name` or a variant of it. Returns the name. */
  declareNew(name: string, constant: Constant): string {
    const unique = this.newName(name);
    this.declareConstant(unique, constant);
    return unique;
  }

  /** A name for a value that the file lacks: `name`, or a variant of it that is not taken. */
  newName(name: string): string {
    let unique = name;
    while (this.#isDeclared(unique) || this.#facts.made.has(unique)) unique = `${unique}_`;
    return unique;
  }

  declareView(value: string, view: View): void {
    this.#declare(value, view.dims);
    this.#views.set(value, view);
  }

  parameter(node: NodeReader, value: string, shape?: Shape): string {
    const view = this.view(value);
    if (view === undefined) throw node.unsupported(`input "${value}" must be a constant, not computed from the images`);
    const { source, dims } = view;
    const stored = this.constants.get(source);
    node.check(stored === undefined || stored.type === "float", `constant "${value}" must be of floats`);
    node.check(
      stored === undefined || stored.values instanceof Float32Array,
      `constant "${value}" must not depend on the batch size`,
    );
    const wanted = shape ?? dims;
    const count = elementCount(this.shape(source));
    node.check(
      count === elementCount(wanted),
      `constant "${value}" does not have the values this op needs`,
      formatShape(wanted),
      `${count} values`,
    );
    // A stored constant takes the shape of its first reader. A constant computed by nodes that stay in the graph
    // already has its shape.
    const known = stored === undefined ? this.#shapes.get(source) : this.parameterShapes.get(source);
    node.check(
      known === undefined || sameShape(known, wanted),
      `parameter "${source}" is used with two shapes`,
      formatShape(known ?? []),
      formatShape(wanted),
    );
    if (stored !== undefined) this.parameterShapes.set(source, wanted);
    return source;
  }

  derived(node: NodeReader, value: string, role: string, { shape, data }: Tensor): string {
    const constant: Constant = { type: "float", dims: shape, values: data };
    const isOnlyReader = (this.#facts.readers.get(value) ?? 0) <= 1 && !this.parameterShapes.has(value);
    const name = isOnlyReader ? value : this.newName(`${node.name}.${role}`);
    if (isOnlyReader) {
      this.constants.set(name, constant);
      this.#shapes.set(name, shape);
      this.#views.set(name, { source: name, dims: shape, indices: undefined });
    } else {
      this.declareConstant(name, constant);
    }
    return this.parameter(node, name);
  }

  integers(node: NodeReader, value: string): readonly number[] {
    return this.scalars(node, value).map((scalar) => {
      if (typeof scalar !== "number") throw node.unsupported(`input "${value}" must not depend on the batch size`);
      return scalar;
    });
  }

  scalars(node: NodeReader, value: string): readonly Scalar[] {
    const found = this.constant(value);
    if (found === undefined || found.type === "float") {
      throw node.unsupported(`input "${value}" must be a constant of integers`);
    }
    return scalarsOf(found);
  }

  scalar(node: NodeReader, value: string): number {
    const found = this.constant(value);
    const [number] = found?.values ?? [];
    if (found?.type !== "float" || typeof number !== "number" || elementCount(found.dims) !== 1) {
      throw node.unsupported(`input "${value}" must be a constant number, a float`);
    }
    return number;
  }

  exact(node: NodeReader, attribute: string, recovered: number, recover: (value: number) => number): number {
    const noted = this.#facts.exact.get(`${node.name}.${attribute}`);
    return noted !== undefined && recover(noted) === recovered ? noted : recovered;
  }

  alias(node: NodeReader, value: string): void {
    this.shape(value);
    this.aliasOutput(node.outputs[0] ?? "", value);
  }

  /** Declares a value of the file that no node here computes, by its dims. */
  declareExtents(value: string, extents: readonly Scalar[]): void {
    const ofImage = extents.map((extent) => (typeof extent === "number" ? extent : extent.times + extent.plus));
    this.#declare(value, ofImage);
    this.#extents.set(value, extents);
  }

  /** Makes `output` another name of `value`. */
  aliasOutput(output: string, value: string): void {
    this.#checkNew(output);
    this.#aliases.set(output, value);
  }

  producer(value: string): Node | undefined {
    return this.#producers.get(value);
  }

  add<K extends ForwardOpName>(
    reader: NodeReader,
    op: K,
    inputs: readonly string[],
    attributes: Attributes<K>,
    step?: { readonly part: string; readonly output?: string },
  ): string {
    // ONNX nodes may have no name, or share one. Ours have unique names.
    let name = step === undefined ? reader.name : `${reader.name}.${step.part}`;
    while (this.#nodeNames.has(name)) name = `${name}_`;
    const dst = step === undefined ? (reader.outputs[0] ?? "") : (step.output ?? this.newName(name));
    const node = makeNode(op, name, inputs, [dst], attributes);
    const shape = this.#inferred(reader, node);
    if (inputs.every((input) => this.isConstant(input)))
      this.declareView(dst, { source: dst, dims: shape, indices: undefined });
    else this.#declare(dst, shape);
    this.#nodeNames.add(name);
    this.#producers.set(dst, node);
    this.nodes.push(node);
    return dst;
  }

  /**
   * Declares the channels-first value of input `name`, and adds the transpose to the channels-last value that the
   * file's nodes read.
   */
  #declareChannelsFirst(name: string): void {
    const [batch = 1, height = 1, width = 1, channels = 1] = this.shape(name);
    const first = this.newName(`${name}/channels_first`);
    this.#declare(first, [batch, channels, height, width]);
    const node = channelsLastNode(first, name);
    this.channelsFirstOf.set(name, first);
    // If the file's metadata names its channels-last inputs, this transpose cancels later. A node of the file may have
    // its name, from an earlier reading.
    if (!this.#facts.notesChannelsLast) this.#nodeNames.add(node.name);
    this.#producers.set(name, node);
    this.nodes.push(node);
  }

  /** A node that is legal in ONNX may have no counterpart here. The error then names the node of the file. */
  #inferred(reader: NodeReader, node: Node): Shape {
    for (const input of node.inputs) this.#checkMade(reader, input);
    const shapes = node.inputs.map((input) => this.shape(input));
    try {
      return inferNode(node, shapes, 1)[0] ?? [];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const { expected, received } = error.details;
      throw reader.unsupported("is not supported in this form", expected, received);
    }
  }

  /** Checks that `value` is usable as a node's input: a constant must have become a parameter first. */
  #checkMade(reader: NodeReader, value: string): void {
    const isMade = !this.isConstant(value) || this.parameterShapes.has(value) || this.#producers.has(value);
    reader.check(isMade, `input "${value}" must be computed from the images, not a constant`);
  }

  #declare(name: string, shape: Shape): void {
    this.#checkNew(name);
    this.#shapes.set(name, shape);
  }

  #checkNew(name: string): void {
    if (!this.#isDeclared(name)) return;
    throw new UserError("bad-file", `computes value "${name}" twice`, {
      about: this.#facts.file,
      hint: UNSOUND_HINT,
    });
  }

  #isDeclared(name: string): boolean {
    return this.#shapes.has(name) || this.#aliases.has(name);
  }
}

/** What is known of a graph while its nodes are read in order: shapes, constants and how they are seen, parameters, nodes so far. */
import { UserError } from "../../core/errors.ts";
import { elementCount, formatShape, type Shape, sameShape } from "../../core/tensor.ts";
import { type Input, makeNode, type Node } from "../../graph/graph.ts";
import type { Attributes, ForwardOpName } from "../../graph/ops.ts";
import { bindBatch, inferNode } from "../../graph/shapes.ts";
import type { NodeReader } from "./node-reader.ts";
import type { Constant } from "./proto.ts";
import type { ReadContext, View } from "./rules.ts";

export class GraphReader implements ReadContext {
  readonly nodes: Node[] = [];
  /** Shapes of the initializers that nodes read as parameters. */
  readonly parameterShapes: Map<string, Shape> = new Map();
  readonly #file: string;
  readonly #exact: ReadonlyMap<string, number>;
  readonly #integers = new Map<string, readonly bigint[]>();
  readonly #floats = new Map<string, Float32Array>();
  readonly #shapes = new Map<string, Shape>();
  readonly #views = new Map<string, View>();
  readonly #initializers = new Set<string>();
  readonly #nodeNames = new Set<string>();

  constructor(
    inputs: readonly Input[],
    constants: ReadonlyMap<string, Constant>,
    exact: ReadonlyMap<string, number>,
    file: string,
  ) {
    this.#file = file;
    this.#exact = exact;
    for (const { name, shape } of inputs) this.#declare(name, bindBatch(shape, 1));
    for (const [name, constant] of constants) {
      if (constant.type === "integers") this.#integers.set(name, constant.values);
      else {
        this.#initializers.add(name);
        this.#floats.set(name, constant.values);
        this.declareView(name, { source: name, dims: constant.dims, indices: undefined });
      }
    }
  }

  shape(value: string): Shape {
    const shape = this.parameterShapes.get(value) ?? this.#shapes.get(value);
    if (shape === undefined) {
      throw new UserError("bad-file", `value "${value}" is read before any node makes it`, { about: this.#file });
    }
    return shape;
  }

  isConstant(value: string): boolean {
    this.shape(value);
    return this.#views.has(value);
  }

  view(value: string): View | undefined {
    this.shape(value);
    return this.#views.get(value);
  }

  declareView(value: string, view: View): void {
    this.#declare(value, view.dims);
    this.#views.set(value, view);
  }

  parameter(node: NodeReader, value: string, shape?: Shape): string {
    const view = this.view(value);
    if (view === undefined) throw node.unsupported(`input "${value}" must be a constant, not computed from the images`);
    const { source, dims } = view;
    const wanted = shape ?? dims;
    const count = elementCount(this.shape(source));
    node.check(
      count === elementCount(wanted),
      `constant "${value}" does not have the values this op needs`,
      formatShape(wanted),
      `${count} values`,
    );
    // An initializer takes the shape of its first reader; what is computed has one already.
    const known = this.#initializers.has(source) ? this.parameterShapes.get(source) : this.#shapes.get(source);
    node.check(
      known === undefined || sameShape(known, wanted),
      `parameter "${source}" is used with two shapes`,
      formatShape(known ?? []),
      formatShape(wanted),
    );
    if (this.#initializers.has(source)) this.parameterShapes.set(source, wanted);
    return source;
  }

  integers(node: NodeReader, value: string): readonly number[] {
    const values = this.#integers.get(value);
    if (values === undefined) throw node.unsupported(`input "${value}" must be a constant of 64-bit integers`);
    return values.map(Number);
  }

  scalar(node: NodeReader, value: string): number {
    const { source = value, dims = [] } = this.#integers.has(value) ? {} : (this.view(value) ?? {});
    const [number, ...others] = this.#floats.get(source) ?? [];
    if (number === undefined || others.length > 0 || elementCount(dims) !== 1) {
      throw node.unsupported(`input "${value}" must be a constant number of 32-bit float`);
    }
    return number;
  }

  exact(node: NodeReader, attribute: string, recovered: number, recover: (value: number) => number): number {
    const noted = this.#exact.get(`${node.name}.${attribute}`);
    return noted !== undefined && recover(noted) === recovered ? noted : recovered;
  }

  add<K extends ForwardOpName>(reader: NodeReader, op: K, inputs: readonly string[], attributes: Attributes<K>): void {
    if (this.#nodeNames.has(reader.name)) {
      throw new UserError("bad-file", `holds two nodes named "${reader.name}"`, { about: this.#file });
    }
    this.#nodeNames.add(reader.name);
    const [dst = ""] = reader.outputs;
    const node = makeNode(op, reader.name, inputs, [dst], attributes);
    const shapes = inputs.map((input) => this.shape(input));
    const shape = this.#inferred(node, shapes);
    if (inputs.every((input) => this.isConstant(input)))
      this.declareView(dst, { source: dst, dims: shape, indices: undefined });
    else this.#declare(dst, shape);
    this.nodes.push(node);
  }

  #inferred(node: Node, shapes: readonly Shape[]): Shape {
    try {
      return inferNode(node, shapes, 1)[0] ?? [];
    } catch (cause) {
      if (!(cause instanceof UserError)) throw cause;
      throw new UserError(cause.code, cause.message, { about: this.#file, cause });
    }
  }

  #declare(name: string, shape: Shape): void {
    if (this.#shapes.has(name)) throw new UserError("bad-file", `makes value "${name}" twice`, { about: this.#file });
    this.#shapes.set(name, shape);
  }
}

/** What the file of each op has to say: how a node of ours is written, how a node of ONNX is read. */
import type { Shape, Tensor } from "../../core/tensor.ts";
import type { ForwardNode, Node } from "../../graph/graph.ts";
import type { Attributes, ForwardOpName } from "../../graph/ops.ts";
import type { Constant } from "./folding/constant.ts";
import type { Scalar } from "./folding/scalar.ts";
import type { NodeReader } from "./node-reader.ts";
import type { AttributeValue } from "./proto.ts";

export interface WriteContext {
  /** Version of the standard ops the file is written in: 13 or newer. */
  readonly opset: number;
  /** Shape of a value at batch 1. */
  shape(value: string): Shape;
  /** Whether a value depends on no input of the network. */
  isConstant(value: string): boolean;
  /** Name of `value` (a parameter, or computed from parameters) seen with `dims`; with its own shape unless given. */
  view(value: string, dims?: Shape): string;
  /** Adds integers the file needs as a tensor; returns their name. */
  integers(name: string, values: readonly (number | bigint)[]): string;
  /** Adds a number the file needs as a tensor without axes; returns its name. */
  scalar(name: string, value: number): string;
  /** Adds numbers the file needs as a tensor of one axis; returns their name. */
  floats(name: string, values: readonly number[]): string;
  /** Adds a helper node, one that is no node of ours; returns its value's name. */
  helper(
    opType: string,
    name: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeValue>>,
  ): string;
  /** Adds the node itself. */
  write(
    opType: string,
    node: ForwardNode,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeValue>>,
  ): void;
  /** Notes the exact `value` behind an attribute where `recovered`, what 32 bits give back for it, differs. */
  keepExact(node: ForwardNode, attribute: string, value: number, recovered: number): void;
}

export type WriteRule<K extends ForwardOpName> = (node: Node<K> & ForwardNode, context: WriteContext) => void;

/**
 * A constant as a node sees it: element i of `dims` is element `indices[i]` of `source`, or i where no `indices` are
 * given.
 */
export interface View {
  readonly source: string;
  readonly dims: Shape;
  readonly indices: Int32Array | undefined;
}

export interface ReadContext {
  /** Shape of a value at batch 1. */
  shape(value: string): Shape;
  /** Dims of a value, the batch size as a symbol. */
  extents(value: string): readonly Scalar[];
  isConstant(value: string): boolean;
  /**
   * The numbers of a constant; undefined where the value depends on the images, or is a parameter computed from others.
   */
  constant(value: string): Constant | undefined;
  /** The tensor behind a constant value; undefined where the value depends on the input. */
  view(value: string): View | undefined;
  /** Adds a constant computed from another: a reshaped or repeated parameter. */
  declareView(value: string, view: View): void;
  /**
   * The constant `value` as a parameter of `shape`, by default its dims; refused if its values do not fill that one to
   * one.
   */
  parameter(node: NodeReader, value: string, shape?: Shape): string;
  /**
   * A parameter of new `values` in place of the constant `value`, or beside it where other nodes read that too; `role`
   * is its word in the name then.
   */
  derived(node: NodeReader, value: string, role: string, values: Tensor): string;
  /** The integers behind a constant value; refused by `node` if it is not one, or depends on the batch size. */
  integers(node: NodeReader, value: string): readonly number[];
  /** The numbers behind a constant value, which may depend on the batch size; refused by `node` if it is not one. */
  scalars(node: NodeReader, value: string): readonly Scalar[];
  /** The number behind a constant value; refused by `node` if it is not one float. */
  scalar(node: NodeReader, value: string): number;
  /** The value noted by `keepExact` if there is one and `recover` makes `recovered` of it too, else `recovered`. */
  exact(node: NodeReader, attribute: string, recovered: number, recover: (value: number) => number): number;
  /** The batch size, where the file fixes it. */
  readonly fixedBatch: number | undefined;
  /** Element types of the images in the file, of `TensorProto.DataType`. */
  readonly inputTypes: ReadonlySet<number>;
  /** Declares that the node's output is `value` itself: the node does nothing. */
  alias(node: NodeReader, value: string): void;
  /** The node so far that makes `value`. */
  producer(value: string): Node | undefined;
  /**
   * Adds a node that makes the reader's first output, or a value of its own, `part`, where one node of ONNX is several
   * of ours: then the node is called `<node>.<part>`, its value too unless `output` names it. Returns the value's name.
   */
  add<K extends ForwardOpName>(
    node: NodeReader,
    op: K,
    inputs: readonly string[],
    attributes: Attributes<K>,
    step?: { readonly part: string; readonly output?: string },
  ): string;
}

export type ReadRule = (node: NodeReader, context: ReadContext) => void;

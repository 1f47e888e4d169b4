/** The interface of an op's file in `ops/`: a rule that writes our node, and a rule that reads the ONNX node. */
import type { Shape, Tensor } from "../../core/tensor.ts";
import type { ForwardNode, Node } from "../../graph/graph.ts";
import type { Attributes, ForwardOpName } from "../../graph/ops.ts";
import type { Constant } from "./folding/constant.ts";
import type { Scalar } from "./folding/scalar.ts";
import type { NodeReader } from "./node-reader.ts";
import type { AttributeValue } from "./proto.ts";

export interface WriteContext {
  /** The opset of the written file: 13 or newer. */
  readonly opset: number;
  /** Shape of a value at batch 1. */
  shape(value: string): Shape;
  /** Whether a value is independent of the network's inputs. */
  isConstant(value: string): boolean;
  /** The name of `value` (a parameter, or computed from parameters) with shape `dims`; default: its own shape. */
  view(value: string, dims?: Shape): string;
  /** The name of `value`, weights [O,C/G,…] of a transposed convolution of G groups, as [C,O/G,…]. */
  exchanged(value: string, groups: number): string;
  /** The integers in `column` of each image of `src`, [N]; helpers are named after the node `reader`. */
  integerColumn(src: string, column: number, reader: string): string;
  /** Adds a tensor of integers to the file; returns its name. */
  integers(name: string, values: readonly (number | bigint)[]): string;
  /** Adds a scalar tensor to the file; returns its name. */
  scalar(name: string, value: number): string;
  /** Adds a vector of floats to the file; returns its name. */
  floats(name: string, values: readonly number[]): string;
  /** Adds an ONNX node that has no counterpart in our graph; returns the name of its output. */
  helper(
    opType: string,
    name: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeValue>>,
  ): string;
  /** Adds the ONNX node of our node. */
  write(
    opType: string,
    node: ForwardNode,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeValue>>,
  ): void;
  /**
   * Records the exact `value` of an attribute in the metadata if it differs from `recovered`, the value that 32 bits
   * give back.
   */
  keepExact(node: ForwardNode, attribute: string, value: number, recovered: number): void;
}

export type WriteRule<K extends ForwardOpName> = (node: Node<K> & ForwardNode, context: WriteContext) => void;

/**
 * A constant as a node reads it: element i of a tensor of shape `dims` is element `indices[i]` of `source`, or element
 * i without `indices`.
 */
export interface View {
  readonly source: string;
  readonly dims: Shape;
  readonly indices: Int32Array | undefined;
}

/** The part of a node of the file that one of our nodes is. */
export interface Step {
  readonly part: string;
  readonly output?: string;
}

export interface ReadContext {
  /** Shape of a value at batch 1. */
  shape(value: string): Shape;
  /** Dims of a value, with the batch size as a symbol. */
  extents(value: string): readonly Scalar[];
  isConstant(value: string): boolean;
  /** The values of a constant; undefined if the value depends on the images or is a parameter computed from others. */
  constant(value: string): Constant | undefined;
  /** The tensor behind a constant; undefined if the value depends on the images. */
  view(value: string): View | undefined;
  /** Declares a constant as a view of another: a reshaped or repeated parameter. */
  declareView(value: string, view: View): void;
  /** The constant `value` as a parameter of `shape`; default: its dims. Throws if the number of values differs. */
  parameter(node: NodeReader, value: string, shape?: Shape): string;
  /**
   * A parameter with new `values` that replaces the constant `value`, or stands beside it if other nodes read the
   * constant too. Its name then ends in `role`.
   */
  derived(node: NodeReader, value: string, role: string, values: Tensor): string;
  /** The integers of a constant. Throws if `value` is not constant or depends on the batch size. */
  integers(node: NodeReader, value: string): readonly number[];
  /** The numbers of a constant, which may depend on the batch size. Throws if `value` is not constant. */
  scalars(node: NodeReader, value: string): readonly Scalar[];
  /** The number of a constant scalar. Throws if `value` is not a single float. */
  scalar(node: NodeReader, value: string): number;
  /** The exact value that `keepExact` recorded, if `recover` maps it to `recovered`; else `recovered`. */
  exact(node: NodeReader, attribute: string, recovered: number, recover: (value: number) => number): number;
  /** The batch size, if the file fixes it. */
  readonly fixedBatch: number | undefined;
  /** Element types of the images in the file, as `TensorProto.DataType`. */
  readonly inputTypes: ReadonlySet<number>;
  /** Makes the node's output an alias of `value`: the node has no effect. */
  alias(node: NodeReader, value: string): void;
  /** The node that computes `value`, if it was read already. */
  producer(value: string): Node | undefined;
  /**
   * Adds a node that computes the first output of `node`. If one ONNX node becomes several of ours, `step` names each:
   * the node is called `<node>.<part>`, and its output has the same name unless `output` gives another. Returns the
   * name of the output.
   */
  add<K extends ForwardOpName>(
    node: NodeReader,
    op: K,
    inputs: readonly string[],
    attributes: Attributes<K>,
    step?: Step,
  ): string;
}

export type ReadRule = (node: NodeReader, context: ReadContext) => void;

/**
 * A network as immutable data. A `Graph` holds no numbers but its structure; a `Network` is a graph and its weights.
 * Nodes stand in execution order; every value has one name, one producer and any number of readers. Plain data
 * throughout, so a graph can be printed, compared, and posted to another thread.
 */
import type { Tensor } from "../core/tensor.ts";
import type { Attributes, ForwardOpName, OpName } from "./ops.ts";

/** `"N"` is the batch size, bound when shapes are inferred. */
export type SymbolicShape = readonly (number | "N")[];

export interface Input {
  readonly name: string;
  readonly dtype: "f32" | "i32";
  readonly shape: SymbolicShape;
}

/**
 * What an optimizer keeps beside a parameter that it steps: its velocity; beside factors also, structure by structure,
 * for how many steps in a row it has been held at zero, and the lowest margin of these steps
 * (`selection/zero-stability.ts`).
 */
export const optimizerStateKinds = ["velocity", "held", "margin"] as const;
export type OptimizerStateKind = (typeof optimizerStateKinds)[number];

/**
 * What a parameter is decides how it is initialised and updated: `weights` (convolution, linear) and `scale` (of a
 * batch norm, or a gain) decay; `bias` and `shift` do not; `constant` stays what it is, as what images are normalised
 * by does; `running_mean` and `running_variance` follow the batches; `factor` is a λ, stepped by the proximal gradient
 * method; an optimizer's state is in training graphs only.
 */
export type ParameterKind =
  | "weights"
  | "bias"
  | "scale"
  | "shift"
  | "running_mean"
  | "running_variance"
  | "factor"
  | "constant"
  | OptimizerStateKind;

export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly kind: ParameterKind;
  /** Of an optimizer's state: the parameter that it is kept for. */
  readonly of?: string;
}

interface NodeOf<K extends OpName> {
  readonly op: K;
  /** Unique in the graph. */
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes<K>;
}

/** A node, discriminated by `op`. */
export type Node<K extends OpName = OpName> = { [Name in K]: NodeOf<Name> }[K];
export type ForwardNode = Node<ForwardOpName>;

/** A node of op `op`; the only place where the correlation of op and attributes is asserted rather than inferred. */
export function makeNode<K extends OpName>(
  op: K,
  name: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Attributes<K>,
): Node {
  return { op, name, inputs, outputs, attributes } as Node;
}

/**
 * What a file said of a network besides the network itself; a file written from it says the same. Absent: as this
 * package writes it.
 */
export interface FileHeader {
  readonly opset?: number;
  readonly irVersion?: number;
  readonly producer?: string;
  readonly producerVersion?: string;
  readonly domain?: string;
  readonly modelVersion?: number;
  readonly documentation?: string;
  readonly graphDocumentation?: string;
  /** Name of the batch size. */
  readonly batch?: string;
  readonly metadata?: readonly (readonly [key: string, value: string])[];
  /** Inputs that the file takes with their channels last. The graph takes them first. */
  readonly channelsLast?: readonly string[];
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly Input[];
  readonly parameters: readonly Parameter[];
  readonly nodes: readonly Node[];
  /** Values handed to the caller after a run. */
  readonly outputs: readonly string[];
  /** After a run, each `parameter` takes `value`: how a training step keeps its state. */
  readonly updates: readonly { readonly parameter: string; readonly value: string }[];
  readonly header?: FileHeader;
}

/** Whether the file that `graph` came from takes its images with their channels last. */
export function takesChannelsLast({ inputs, header }: Graph): boolean {
  return header?.channelsLast?.includes(inputs[0]?.name ?? "") ?? false;
}

/** Parameter name → values, in the parameter's shape. */
export type Weights = ReadonlyMap<string, Tensor>;

export interface Network {
  readonly graph: Graph;
  readonly weights: Weights;
}

/** Value name → the node that makes it (inputs and parameters have none). */
export function producers(graph: Graph): Map<string, Node> {
  return new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
}

/** Value name → the nodes that read it, in execution order. */
export function readers({ nodes }: Pick<Graph, "nodes">): Map<string, Node[]> {
  const result = new Map<string, Node[]>();
  for (const node of nodes) {
    for (const input of new Set(node.inputs)) {
      const list = result.get(input);
      if (list === undefined) result.set(input, [node]);
      else list.push(node);
    }
  }
  return result;
}

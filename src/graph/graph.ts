/**
 * A network as immutable data. A `Graph` is the structure without weights. A `Network` is a graph with its weights.
 * Nodes are in execution order. Every value has one name, one producer and any number of readers. All of it is plain
 * data, so a graph can be printed, compared, and posted to another thread.
 */
import type { Tensor } from "../core/tensor.ts";
import type { Attributes, ForwardOpName, OpName } from "./ops.ts";

/** A shape in which `"N"` is the batch size. Shape inference replaces it by a number. */
export type SymbolicShape = readonly (number | "N")[];

/** An input of a graph. */
export interface Input {
  readonly name: string;
  readonly dtype: "f32" | "i32";
  readonly shape: SymbolicShape;
  /** Set if files take integers of this type. Here they are floats without a fraction. */
  readonly integer?: IntegerType;
}

export const integerTypes = ["int32", "int64"] as const;
export type IntegerType = (typeof integerTypes)[number];

/**
 * The state that an optimizer keeps for a parameter: its velocity. For factors there are also `held`, the number of
 * steps in a row that each structure has been held at zero, and `margin`, the lowest margin of these steps
 * (`selection/zero-stability.ts`).
 */
export const optimizerStateKinds = ["velocity", "held", "margin"] as const;
export type OptimizerStateKind = (typeof optimizerStateKinds)[number];

/**
 * The kind of a parameter decides how it is initialised and updated:
 *
 * - `weights` (convolution, linear) and `scale` (of a batch norm, or a gain) are trained with weight decay;
 * - `bias` and `shift` are trained without;
 * - `constant` is not trained, such as the mean that images are normalised by;
 * - `running_mean` and `running_variance` are averages over the batches;
 * - `factor` is a λ, trained by the proximal gradient method;
 * - optimizer states occur only in training graphs;
 * - `range` is what 8-bit integers cover, [minimum, maximum] of a value, where integers are simulated.
 */
export const networkParameterKinds = [
  "weights",
  "bias",
  "scale",
  "shift",
  "running_mean",
  "running_variance",
  "factor",
  "constant",
] as const;
export type ParameterKind = (typeof networkParameterKinds)[number] | OptimizerStateKind | "range";

/**
 * neuron: an output channel of a layer; group: a group of a grouped convolution; block: a residual branch; stream: a
 * channel that several layers write or that many layers read, as in a residual stream.
 */
export const factorKinds = ["neuron", "group", "block", "stream"] as const;
export type FactorKind = (typeof factorKinds)[number];

/** What the scaling factors of one parameter stand for. */
export interface ScaledStructures {
  readonly kind: FactorKind;
  /** The node whose channels are scaled. For a block: the addition that ends it. For a stream: the first node in it. */
  readonly layer: string;
}

/**
 * How weights start. "normal" (the default) has the variance 2 / fan-in. "uniform" lies between ±1/√fan-in. "identity"
 * is uniform too, but output channel i copies input channel i, as far as there are both. "whitening" makes the answers
 * to patches of training images uncorrelated; ε is added to the variances that they are divided by.
 */
export const initialKinds = ["normal", "uniform", "identity", "whitening"] as const;
export type InitialWeights =
  | { readonly kind: Exclude<(typeof initialKinds)[number], "whitening"> }
  | { readonly kind: "whitening"; readonly epsilon: number };

/** A parameter of a graph. `Weights` has its values. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly kind: ParameterKind;
  /** For an optimizer state: the name of the parameter that it belongs to. */
  readonly of?: string;
  /** For a scaling factor that the method trains: the structures that it decides over. */
  readonly scales?: ScaledStructures;
  /** For weights: how they start; default "normal". */
  readonly initial?: InitialWeights;
  /** Set if training leaves the parameter as it is: it has no gradient, and does not decay. */
  readonly isFrozen?: true;
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

/** Creates a node. This is the only place where a cast asserts that the attributes fit the op. */
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
 * The header of the file that a network was read from. A file written from the network gets the same header. Without a
 * field, Espalier writes its default.
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
  /** The name of the batch dimension. */
  readonly batch?: string;
  readonly metadata?: readonly (readonly [key: string, value: string])[];
  /** The inputs that have their channels last in the file. In the graph they have them first. */
  readonly channelsLast?: readonly string[];
  /** What stands before and behind the network in the file, and is not read. */
  readonly carried?: Carried;
}

/** A node of a file that is not read, as its encoded message. */
export interface CarriedNode {
  /** As ONNX names it. */
  readonly op: string;
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The parts of a file that are written again as they were read. Messages are encoded as in the file. */
export interface Carried {
  /** The nodes that compute the network's input from the file's. */
  readonly before: readonly CarriedNode[];
  /** The nodes that compute the file's outputs from the network's. */
  readonly behind: readonly CarriedNode[];
  /** The tensors that these nodes read. */
  readonly tensors: readonly Uint8Array[];
  /** The inputs of the file, if there are nodes before the network. */
  readonly inputs: readonly Uint8Array[];
  /** The outputs of the file; none if they are the network's. */
  readonly outputs: readonly Uint8Array[];
  /** Names of outputs of the file that are left out, because they lie inside the network. */
  readonly dropped: readonly string[];
  /** The functions of the file, which nodes may call. */
  readonly functions: readonly Uint8Array[];
  /** Opsets of other domains than ONNX's own. */
  readonly opsets: readonly (readonly [domain: string, version: number])[];
}

/** The structure of a network, without weights. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly Input[];
  readonly parameters: readonly Parameter[];
  readonly nodes: readonly Node[];
  /** The values that a run returns. */
  readonly outputs: readonly string[];
  /** After a run, each `parameter` is set to `value`. A training step updates weights and states in this way. */
  readonly updates: readonly { readonly parameter: string; readonly value: string }[];
  readonly header?: FileHeader;
}

/** Whether images have their channels last in the file that `graph` was read from. */
export function takesChannelsLast({ inputs, header }: Graph): boolean {
  return header?.channelsLast?.includes(inputs[0]?.name ?? "") ?? false;
}

/** Parameter name → values, in the parameter's shape. */
export type Weights = ReadonlyMap<string, Tensor>;

/** A graph with its weights. */
export interface Network {
  readonly graph: Graph;
  readonly weights: Weights;
}

/** Value name → the node that computes it. Inputs and parameters have no entry. */
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

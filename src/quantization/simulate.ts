/**
 * A network with the rounding of its 8-bit integers, for training: the nodes that `quantizeGraph` brings to integers
 * read rounded activations and rounded weights, and all of it stays differentiable.
 *
 * Batch norms are not folded. A scale for each output channel makes the rounding of weights commute with their factors:
 * weights rounded in front of a batch norm of constant statistics are those that are rounded with it folded in.
 */
import { filled } from "../core/tensor.ts";
import { freshNames } from "../graph/fresh-names.ts";
import { type Graph, makeNode, type Network, type Node, type Parameter } from "../graph/graph.ts";
import { withInputs } from "../graph/rewrite.ts";
import { fold } from "../selection/fold.ts";
import { integerForm } from "./integer-forms.ts";
import { integerReady } from "./integer-ready.ts";
import { forward } from "./observe.ts";
import { type IntegerPlacement, placeIntegers } from "./quantize-graph.ts";

export interface Simulation {
  /** The network with its factors folded, and a parameter of kind `range` for each value that is rounded. */
  readonly graph: Graph;
  /** By the name of a rounded value: the parameter with its range. */
  readonly ranges: ReadonlyMap<string, string>;
  /** Names of the layers whose weights are rounded. */
  readonly layers: readonly string[];
  /** Nodes that stay on floats, of those that ONNX Runtime would run. */
  readonly floats: readonly { readonly name: string; readonly op: string }[];
}

export interface SimulationOptions {
  /** Names of nodes that stay on floats; default: none. */
  readonly keep?: ReadonlySet<string>;
  /** The largest weight as an integer; default 127. */
  readonly largestWeight?: number;
}

/** `graph`, a network with or without factors, as it computes on 8-bit integers. */
export function simulateIntegers(
  graph: Graph,
  { keep = new Set(), largestWeight = 127 }: SimulationOptions = {},
): Simulation {
  const ready = integerReady(withOnes(graph));
  const placement = placeIntegers(ready, keep);
  const simulator = new Simulator(withHardSwishGates(fold(graph), ready.graph), placement, largestWeight);
  const floats = placement.nodes.filter(({ name }) => !placement.integerNodes.has(name));
  return { ...simulator.simulated(), floats: floats.map(({ name, op }) => ({ name, op })) };
}

/** Which nodes compute on integers does not depend on the weights, but folding needs some. */
function withOnes(graph: Graph): Network {
  return { graph, weights: new Map(graph.parameters.map(({ name, shape }) => [name, filled(shape, 1)])) };
}

/** `folded` with hard_swish as a product with its gate, where `ready` has it so: the gate is rounded too. */
function withHardSwishGates(folded: Graph, ready: Graph): Graph {
  const products = new Map(ready.nodes.flatMap((node) => (node.op === "multiply" ? [[node.name, node]] : [])));
  const nodes = folded.nodes.flatMap((node): Node[] => {
    const product = products.get(node.name);
    if (product === undefined || node.op !== "activation") return [node];
    const [, gate = ""] = product.inputs;
    const [src = ""] = node.inputs;
    return [
      makeNode("activation", gate, [src], [gate], { function: "hard_sigmoid", slope: 1 / 6, offset: 0.5 }),
      makeNode("multiply", node.name, [src, gate], node.outputs, {}),
    ];
  });
  return { ...folded, nodes };
}

class Simulator {
  readonly #graph: Graph;
  readonly #placement: IntegerPlacement;
  readonly #largestWeight: number;
  readonly #fresh: (name: string) => string;
  readonly #nodes: Node[] = [];
  readonly #parameters: Parameter[] = [];
  readonly #ranges = new Map<string, string>();
  readonly #layers: string[] = [];
  /** Value that nodes on floats read as it is → its rounded form, for the others. */
  readonly #rounded = new Map<string, string>();
  readonly #floats: ReadonlySet<string>;

  constructor(graph: Graph, placement: IntegerPlacement, largestWeight: number) {
    this.#graph = graph;
    this.#placement = placement;
    this.#largestWeight = largestWeight;
    this.#fresh = freshNames([
      ...[...graph.inputs, ...graph.parameters, ...graph.nodes].map(({ name }) => name),
      ...graph.nodes.flatMap(({ outputs }) => outputs),
    ]);
    const { nodes, integerNodes } = placement;
    this.#floats = new Set(nodes.flatMap(({ name }) => (integerNodes.has(name) ? [] : [name])));
  }

  simulated(): Omit<Simulation, "floats"> {
    const { inputs, nodes, parameters } = this.#graph;
    for (const { name } of inputs) if (this.#placement.ranged.has(name)) this.#roundBeside(name);
    for (const node of nodes) this.#add(node);
    return {
      graph: { ...this.#graph, nodes: this.#nodes, parameters: [...parameters, ...this.#parameters] },
      ranges: this.#ranges,
      layers: this.#layers,
    };
  }

  #add(original: Node): void {
    const isFloat = this.#floats.has(original.name);
    const node = this.#withRoundedWeights(isFloat ? original : withInputs(original, this.#rounded));
    const [value = ""] = node.outputs;
    if (!this.#placement.ranged.has(value)) {
      this.#nodes.push(node);
    } else if (isFloat && !this.#graph.outputs.includes(value)) {
      this.#nodes.push(node);
      this.#roundBeside(value);
    } else {
      const exact = this.#fresh(`${value}/float`);
      this.#nodes.push({ ...node, outputs: node.outputs.map((output) => (output === value ? exact : output)) });
      this.#round(value, exact, value);
    }
  }

  #withRoundedWeights(node: Node): Node {
    const isLayer = node.op === "convolution" || node.op === "linear";
    if (!isLayer || !this.#placement.integerNodes.has(node.name) || integerForm(forward(node)) !== "layer") return node;
    const [, weights = ""] = node.inputs;
    const rounded = this.#fresh(`${node.name}/weights/rounded`);
    this.#nodes.push(
      makeNode("fake_quantize_weights", rounded, [weights], [rounded], { largest: this.#largestWeight }),
    );
    this.#layers.push(node.name);
    return { ...node, inputs: node.inputs.with(1, rounded) };
  }

  /** Rounds `value`, which nodes on floats read as it is. */
  #roundBeside(value: string): void {
    const rounded = this.#fresh(`${value}/rounded`);
    this.#round(value, value, rounded);
    this.#rounded.set(value, rounded);
  }

  #round(value: string, from: string, to: string): void {
    const range = this.#fresh(`${value}.range`);
    this.#parameters.push({ name: range, shape: [2], kind: "range" });
    this.#ranges.set(value, range);
    this.#nodes.push(
      makeNode(
        "fake_quantize",
        this.#fresh(`${value}/round`),
        [from, range],
        [to, this.#fresh(`${value}/extremes`)],
        {},
      ),
    );
  }
}

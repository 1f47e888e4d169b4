/**
 * ONNX files of networks and of single layers, without weights: nodes fill the weights with a constant when the file is
 * loaded, so the file of a layer of any width has about a kilobyte. Only times depend on these files, not answers.
 */
import { required } from "../core/errors.ts";
import { elementCount, type Shape, type Tensor } from "../core/tensor.ts";
import {
  attributeTypes,
  decodeModel,
  encodeModel,
  floatTensorMessage,
  integerTensorMessage,
  type NodeMessage,
} from "../formats/onnx/proto.ts";
import { writeOnnx } from "../formats/onnx/write.ts";
import type { Graph, Node, Parameter } from "../graph/graph.ts";
import { withInputs } from "../graph/rewrite.ts";
import type { TimedLayer } from "../latency/timed-layers.ts";
import { initialConstants } from "../models/initialize.ts";

/** The file of `graph` with constant weights. Runtimes compute with them as with any weights: they fold them first. */
export function fileWithoutWeights(graph: Graph): Uint8Array {
  // The file that is written has the shapes of its weights and no values, which the nodes below replace.
  const hollow = new Map(
    graph.parameters.map(({ name, shape }): [string, Tensor] => [name, { dtype: "f32", shape, data: nothing }]),
  );
  const model = decodeModel(writeOnnx({ graph, weights: hollow }), graph.name);
  const file = required(model.graph, "the graph of a file");
  const values = new Map(graph.parameters.map((parameter) => [parameter.name, constantOf(parameter)] as const));
  const initializers = file.initializer ?? [];
  const fills = initializers.flatMap(({ name = "", dims = [] }) => {
    const value = values.get(name);
    return value === undefined ? [] : [{ name, value, dims: integerTensorMessage(`${name}/dims`, dims.map(BigInt)) }];
  });
  const nodes = fills.map(
    ({ name, value }): NodeMessage => ({
      ...{ opType: "ConstantOfShape", name: `${name}/fill`, input: [`${name}/dims`], output: [name] },
      attribute: [
        { name: "value", type: attributeTypes.tensor, t: floatTensorMessage("value", [1], Float32Array.of(value)) },
      ],
    }),
  );
  return encodeModel({
    ...model,
    graph: {
      ...file,
      initializer: [...initializers.filter(({ name = "" }) => !values.has(name)), ...fills.map(({ dims }) => dims)],
      node: [...nodes, ...(file.node ?? [])],
    },
  });
}

const nothing = new Float32Array();

/** Weights average their inputs, so values neither grow nor vanish: denormal numbers would take longer. */
function constantOf({ kind, shape }: Parameter): number {
  return kind === "weights" ? 1 / elementCount(shape.slice(1)) : initialConstants[kind];
}

/**
 * A graph of `copies` of `layer` of `graph` beside each other. All read the same inputs, and each has weights and an
 * output of its own. `shapes`: those of the values of `graph`.
 */
export function layerGraph(
  graph: Graph,
  { key, members }: TimedLayer,
  copies: number,
  shapes: ReadonlyMap<string, Shape>,
): Graph {
  const nodes = members.map((name) =>
    required(
      graph.nodes.find((node) => node.name === name),
      `node "${name}"`,
    ),
  );
  const parameters = new Map(graph.parameters.map((parameter) => [parameter.name, parameter]));
  const own = new Set(nodes.flatMap(({ outputs }) => outputs));
  const read = [...new Set(nodes.flatMap(({ inputs }) => inputs))].filter((value) => !own.has(value));
  const weights = read.flatMap((value) => parameters.get(value) ?? []);
  const result = required(nodes.at(-1)?.outputs[0], "the result of a layer");
  const copyOf = (name: string, copy: number): string => `${name}#${copy}`;
  const numbers = Array.from({ length: copies }, (_, copy) => copy);
  const copied = (copy: number): Node[] => {
    const names = new Map([...own, ...weights.map(({ name }) => name)].map((name) => [name, copyOf(name, copy)]));
    return nodes.map((node) => ({
      ...withInputs(node, names),
      name: copyOf(node.name, copy),
      outputs: node.outputs.map((output) => copyOf(output, copy)),
    }));
  };
  return {
    name: key,
    inputs: read
      .filter((value) => !parameters.has(value))
      .map((name) => ({ name, dtype: "f32", shape: ["N", ...(shapes.get(name)?.slice(1) ?? [])] })),
    parameters: numbers.flatMap((copy) => weights.map((one) => ({ ...one, name: copyOf(one.name, copy) }))),
    nodes: numbers.flatMap(copied),
    outputs: numbers.map((copy) => copyOf(result, copy)),
    updates: [],
  };
}

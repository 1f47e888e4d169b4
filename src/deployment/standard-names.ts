/** Gives a network the input and the output that libraries of ready-made models expect. */
import { UserError } from "../core/errors.ts";
import { formatShape, tensor } from "../core/tensor.ts";
import { withoutCarried } from "../formats/onnx/carried/network-file.ts";
import { renamed } from "../formats/onnx/channels-last-inputs.ts";
import { type Graph, makeNode, type Network } from "../graph/graph.ts";
import { endingInLogits } from "../graph/logits.ts";
import { bindBatch, inferShapes } from "../graph/shapes.ts";

/** The names of the input and the output of every image classifier in these libraries. */
export const standardNames = { input: "pixel_values", output: "logits" } as const;

/** Weights of red, green and blue in grey (ITU-R BT.601). */
const grey = [0.299, 0.587, 0.114];

/**
 * `network` with images of three channels, channels first, as its input `pixel_values`, and logits as its output
 * `logits`. A network of grey images gets a convolution in front that makes them of colour ones. It is exact for values
 * that are normalised alike in all channels. Nodes that a file has before and behind its network are left out.
 * @throws UserError "unsupported" for a network that is not a classifier of at least two classes.
 */
export function withStandardNames(network: Network): Network {
  const graph = endingInLogits(withoutCarried(network.graph));
  const [input, ...moreInputs] = graph.inputs;
  const [output, ...moreOutputs] = graph.outputs;
  const images = input === undefined ? [] : bindBatch(input.shape, 1);
  const logits = inferShapes(graph, 1).get(output ?? "") ?? [];
  const hasImages = images.length === 4 && (images[1] === 1 || images[1] === 3);
  const isClassifier = hasImages && logits.length === 2 && (logits[1] ?? 0) > 1;
  if (input === undefined || output === undefined || moreInputs.length > 0 || moreOutputs.length > 0 || !isClassifier) {
    throw new UserError("unsupported", "the network is not a classifier of images with a logit for each class", {
      about: graph.name,
      expected: "one input [N,C,H,W] of 1 or 3 channels and one output [N,classes] with at least 2 classes",
      received: [...graph.inputs.map(({ shape }) => formatShape(bindBatch(shape, 1))), formatShape(logits)].join(
        " and ",
      ),
      hint: "Other networks run in ONNX Runtime as they are: give the file to your program",
    });
  }
  const named = withNames(
    { ...network, graph },
    new Map([
      [input.name, standardNames.input],
      [output, standardNames.output],
    ]),
  );
  const channelsFirst = withoutLayout(named.graph);
  return images[1] === 1 ? fromColour({ ...named, graph: channelsFirst }) : { ...named, graph: channelsFirst };
}

/** `network` with values and parameters renamed by `names`; others that have one of the new names give way. */
function withNames({ graph, weights }: Network, names: ReadonlyMap<string, string>): Network {
  const taken = new Set(names.values());
  const all = [...graph.inputs, ...graph.parameters].map(({ name }) => name);
  const values = [...all, ...graph.nodes.flatMap(({ outputs }) => outputs)];
  const inner = values.flatMap((name) => (taken.has(name) ? [[name, `${name}.inner`] as const] : []));
  const changes = new Map([...inner, ...names]);
  const nameOf = (name: string): string => changes.get(name) ?? name;
  return {
    graph: {
      ...graph,
      inputs: graph.inputs.map((input) => ({ ...input, name: nameOf(input.name) })),
      parameters: graph.parameters.map((parameter) => ({ ...parameter, name: nameOf(parameter.name) })),
      nodes: renamed(graph.nodes, changes),
      outputs: graph.outputs.map(nameOf),
    },
    weights: new Map([...weights].map(([name, value]) => [nameOf(name), value])),
  };
}

/** Images have their channels first inside; a file of channels last would exchange them. */
function withoutLayout(graph: Graph): Graph {
  if (graph.header === undefined) return graph;
  const { channelsLast: _, ...header } = graph.header;
  return { ...graph, header };
}

function fromColour({ graph, weights }: Network): Network {
  const [value, parameter] = ["grey_values", "grey_values.weights"];
  const attributes = {
    strides: [1, 1],
    padding: { top: 0, left: 0, bottom: 0, right: 0 },
    dilation: [1, 1],
    groups: 1,
  } as const;
  const node = makeNode("convolution", value, [standardNames.input, parameter], [value], attributes);
  return {
    graph: {
      ...graph,
      inputs: graph.inputs.map((input) => ({
        ...input,
        shape: input.shape.map((extent, axis) => (axis === 1 ? 3 : extent)),
      })),
      parameters: [...graph.parameters, { name: parameter, shape: [1, 3, 1, 1], kind: "constant" }],
      nodes: [node, ...renamed(graph.nodes, new Map([[standardNames.input, value]]))],
    },
    weights: new Map([...weights, [parameter, tensor([1, 3, 1, 1], Float32Array.from(grey))]]),
  };
}

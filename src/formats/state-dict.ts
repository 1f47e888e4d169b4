/**
 * Reads and writes weights under PyTorch's names. This works for the state dict of a network of the zoo
 * (`state-dict-names.ts`), and for any network whose parameters already have the names of its state dict, as the
 * parameters of exported files do.
 *
 * torchvision's VGG has a convolution bias in front of each batch norm; ours has none. BN(x + b) with running mean m
 * equals BN(x) with running mean m − b. Reading therefore subtracts the bias from the running mean, and writing adds
 * zero biases.
 */
import { closest } from "fastest-levenshtein";
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import { formatShape, sameShape, type Tensor, tensor } from "../core/tensor.ts";
import type { Graph, Network, Parameter, ParameterKind, Weights } from "../graph/graph.ts";
import { producers } from "../graph/graph.ts";
import { requireFinite } from "./finite.ts";
import { type Naming, namings } from "./state-dict-names.ts";

const words: { readonly [K in ParameterKind]?: string } = {
  weights: "weight",
  bias: "bias",
  scale: "weight",
  shift: "bias",
  running_mean: "running_mean",
  running_variance: "running_var",
};

function layerOf(parameter: string): string {
  return parameter.slice(0, parameter.lastIndexOf("."));
}

function layersOf({ nodes }: Graph): ReadonlySet<string> {
  return new Set(nodes.map(({ name }) => name));
}

/** Maps each parameter of ours to its name in the state dict. A network of no known family keeps its own names. */
function namesOf(graph: Graph): { readonly family: string; readonly theirs: (parameter: Parameter) => string } {
  const layers = layersOf(graph);
  const naming: Naming | undefined = namings.find((one) => one.fits(layers));
  if (naming === undefined) return { family: "the network's own parameters", theirs: ({ name }) => name };
  return {
    family: naming.name,
    theirs: ({ name, kind }) => `${naming.layer(layerOf(name), layers)}.${words[kind] ?? kind}`,
  };
}

/**
 * Convolution biases that a state dict may have and `graph` lacks: name of the bias → the running mean that absorbs it.
 */
function absentBiases(graph: Graph): ReadonlyMap<string, Parameter> {
  const { theirs } = namesOf(graph);
  const parameters = new Map(graph.parameters.map((parameter) => [parameter.name, parameter]));
  const makers = producers(graph);
  const absent = new Map<string, Parameter>();
  for (const node of graph.nodes) {
    const convolution = makers.get(node.inputs[0] ?? "");
    const mean = parameters.get(node.inputs[3] ?? "");
    if (node.op !== "batch_normalization" || convolution?.op !== "convolution" || mean === undefined) continue;
    const weights = parameters.get(convolution.inputs[1] ?? "");
    if (convolution.inputs.length > 2 || weights === undefined) continue;
    absent.set(theirs(weights).replace(/\.weight$/, ".bias"), mean);
  }
  return absent;
}

const counter = ".num_batches_tracked";
/** The error lists at most this many mistakes of each kind. */
const mostNamed = 5;

/** The most similar of `names`, formatted for a message. */
function nearest(name: string, names: readonly string[]): string {
  return names.length === 0 ? "" : ` (nearest: "${closest(name, names)}")`;
}

function listed(what: string, lines: readonly string[]): readonly string[] {
  const more = lines.length - mostNamed;
  const shown = lines.slice(0, mostNamed).map((line) => `${what} ${line}`);
  return more > 0 ? [...shown, `${what} ${more} more`] : shown;
}

/**
 * Takes the weights of `graph` from `state`, a PyTorch state dict. `file` names the state dict in messages. PyTorch's
 * batch counters (`num_batches_tracked`) are ignored. Throws `UserError("bad-file")` if tensors are missing, unexpected
 * or of another shape; the error lists them with the most similar names. Also throws if a value is not finite.
 */
export function weightsFromStateDict(graph: Graph, state: ReadonlyMap<string, Tensor>, file: string): Weights {
  requireArguments("weightsFromStateDict", {
    graph: [graph, "graph"],
    state: [state, "tensors"],
    file: [file, "text"],
  });
  const { family, theirs } = namesOf(graph);
  const weights = new Map<string, Tensor>();
  const left = new Set([...state.keys()].filter((name) => !name.endsWith(counter)));
  const missing: string[] = [];
  const wrongShapes: string[] = [];
  for (const parameter of graph.parameters) {
    const name = theirs(parameter);
    const found = state.get(name);
    left.delete(name);
    if (found === undefined) missing.push(name);
    else if (sameShape(found.shape, parameter.shape)) weights.set(parameter.name, found);
    else wrongShapes.push(`"${name}": expected ${formatShape(parameter.shape)}, got ${formatShape(found.shape)}`);
  }
  for (const [name, mean] of absentBiases(graph)) {
    const [bias, own] = [state.get(name), weights.get(mean.name)];
    if (bias === undefined || own === undefined || !sameShape(bias.shape, own.shape)) continue;
    left.delete(name);
    weights.set(
      mean.name,
      tensor(
        own.shape,
        own.data.map((value, channel) => value - (bias.data[channel] ?? 0)),
      ),
    );
  }
  const unused = [...left];
  const list = [
    ...listed(
      "missing",
      missing.map((name) => `"${name}"${nearest(name, unused)}`),
    ),
    ...listed(
      "unexpected",
      unused.map((name) => `"${name}"${nearest(name, missing)}`),
    ),
    ...listed("wrong shape of", wrongShapes),
  ];
  if (list.length === 0) {
    requireFinite(weights, file);
    return weights;
  }
  throw new UserError("bad-file", "does not have the tensors of this network", {
    about: file,
    expected: `the state dict of ${graph.name}, with the names of ${family}`,
    received: `${missing.length} tensors missing, ${unused.length} unexpected, ${wrongShapes.length} of another shape`,
    list,
    hint: `Use the state dict of ${graph.name} with the same number of classes`,
  });
}

/** The weights of `network` under PyTorch's names. `weightsFromStateDict` reads them back. */
export function stateDictOf(network: Network): ReadonlyMap<string, Tensor> {
  requireArguments("stateDictOf", { network: [network, "network"] });
  const { graph, weights } = network;
  const { theirs } = namesOf(graph);
  const state = new Map<string, Tensor>();
  const isVgg = layersOf(graph).has("stage5.conv3");
  for (const parameter of graph.parameters) {
    const values = weights.get(parameter.name);
    if (values !== undefined) state.set(theirs(parameter), values);
  }
  if (isVgg) for (const [name, { shape }] of absentBiases(graph)) state.set(name, tensor(shape));
  return state;
}

/** The network a run starts from: a name of the zoo, an ONNX file, a graph, or a graph with weights. */
import { basename } from "node:path";
import { UserError } from "../../core/errors.ts";
import { formatShape, sameShape } from "../../core/tensor.ts";
import type { Dataset, SampleShape } from "../../data/dataset.ts";
import { loadOnnx } from "../../formats/onnx/index.ts";
import type { Graph, Network } from "../../graph/graph.ts";
import { bindBatch, inferShapes } from "../../graph/shapes.ts";
import { initialize } from "../../models/initialize.ts";
import { model } from "../../models/zoo.ts";
import { type Budget, budgetSelection } from "../../selection/budget.ts";
import { type Factor, factorsOf, type Selection, selectionKeys } from "../../selection/factors.ts";
import { type Placement, place, requireKinds } from "../../selection/place.ts";
import { type GammaMeasure, shareGamma } from "../../selection/structure-costs.ts";

/**
 * A name such as "resnet-20", the path of an `.onnx` file, a graph (its weights are drawn from the seed), or a network.
 */
export type ModelSource = string | Graph | Network;

/** An ONNX file that was read: it is passed on instead of its path, so that it is read once. */
export interface ModelFile extends Network {
  readonly path: string;
}

/** A name of the zoo, whose graph depends on the data; or what is there already. */
export type OpenModel<S extends ModelSource = ModelSource> = S | ModelFile;

/** `source`; where it is the path of a file, the file is read. Throws what reading a file throws. */
export async function openModel<S extends ModelSource>(source: S): Promise<OpenModel<S>> {
  return typeof source === "string" && isOnnxFile(source) ? { ...(await loadOnnx(source)), path: source } : source;
}

/** The file that `source` was read from, if it was. */
export function fileOf(source: OpenModel): ModelFile | undefined {
  return typeof source === "object" && "path" in source ? source : undefined;
}

export interface StartingNetwork {
  /** With factors. */
  readonly network: Network;
  readonly factors: readonly Factor[];
}

export interface FactorOptions {
  readonly select: Selection;
  readonly seed: number;
  /** Default "none". */
  readonly gammaBy?: GammaMeasure;
  /** Decides the kinds and their γ where `select` has none. */
  readonly budget?: Budget;
  /** Whether weights that the source brings are left; default false. */
  readonly fromScratch?: boolean;
}

/**
 * The network that `source` names, with factors as `select` asks; a network that has factors already keeps them, with γ
 * from `select`.
 * @throws UserError "unknown-name", "bad-option" if model and data do not fit, and what `place` throws.
 */
export function startingNetwork(source: OpenModel, dataset: Dataset, options: FactorOptions): StartingNetwork {
  const found = plainNetwork(source, dataset);
  const network = options.fromScratch === true ? { graph: found.graph, weights: new Map() } : found;
  checkFit(network.graph, dataset, nameOf(source, network.graph));
  return withFactors(network, options);
}

/**
 * `network` with factors as `select` asks, or with those it has already; what it has no weights for is drawn from
 * `seed`.
 * @throws what `place` throws.
 */
export function withFactors(
  { graph: plain, weights }: Network,
  { select: chosen, seed, gammaBy = "none", budget }: FactorOptions,
): StartingNetwork {
  const select = budget === undefined || Object.keys(chosen).length > 0 ? chosen : selectionOf(plain, budget);
  const existing = factorsOf(plain, select);
  if (existing.length > 0) requireKinds(plain, select, [...new Set(existing.map(({ kind }) => kind))]);
  const { graph, factors }: Placement =
    existing.length > 0 ? { graph: plain, factors: existing } : place(plain, select);
  // Given weights are kept; what has none, new factors among them, starts as it would in a new network.
  const initial = initialize(graph, seed);
  return {
    network: { graph, weights: new Map([...initial].map(([name, value]) => [name, weights.get(name) ?? value])) },
    factors: shareGamma(graph, factors, gammaBy),
  };
}

/** Kinds that are placed already are all there are. */
function selectionOf(graph: Graph, budget: Budget): Selection {
  const placed = factorsOf(graph);
  return placed.length === 0
    ? budgetSelection(graph, budget)
    : Object.fromEntries(placed.map(({ kind }) => [selectionKeys[kind], 1] as const));
}

/**
 * Channels, height and width that the network of `source` takes: of a file or a graph its own, of a model of the zoo
 * those it is made for; undefined where it has not one input of images. Throws `UserError("unknown-name")`.
 */
export function inputOf(source: OpenModel): SampleShape | undefined {
  if (typeof source !== "string") return sampleShapeOf("graph" in source ? source.graph : source);
  return sampleShapeOf(model(source, { classes: 10 }));
}

/** What the only input of `graph` takes for one image, if that is channels, height and width. */
export function sampleShapeOf({ inputs }: Graph): SampleShape | undefined {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) return undefined;
  const [, channels, height, width] = bindBatch(input.shape, 1);
  if (channels === undefined || height === undefined || width === undefined) return undefined;
  return [channels, height, width];
}

/** Whether `source`, a model as it is named, is a file. */
export function isOnnxFile(source: string): boolean {
  return source.toLowerCase().endsWith(".onnx");
}

/** What exporters call the graph of every network. */
const namesOfExporters: ReadonlySet<string> = new Set([
  ...["", "main_graph", "torch_jit", "torch-jit-export", "tf2onnx", "main", "graph", "model"],
]);

/**
 * What a run of `source` is called: as its graph is, unless that is only what an exporter writes; then as the file is.
 */
export function nameOf(source: OpenModel, { name }: Graph): string {
  const file = fileOf(source);
  return file !== undefined && namesOfExporters.has(name) ? basename(file.path).slice(0, -".onnx".length) : name;
}

function plainNetwork(source: OpenModel, dataset: Dataset): Network {
  if (typeof source !== "string")
    return "graph" in source ? withAllWeights(source) : { graph: source, weights: new Map() };
  const [channels, size, width] = dataset.sampleShape;
  if (size !== width) {
    throw new UserError("bad-option", "the models of the zoo take square images", {
      about: dataset.name,
      received: `${size} x ${width} pixels`,
      hint: "Bring a model of your own as an ONNX file",
    });
  }
  return { graph: model(source, { classes: dataset.classes.length, channels, size }), weights: new Map() };
}

function withAllWeights(network: Network): Network {
  for (const { name, shape } of network.graph.parameters) {
    const value = network.weights.get(name);
    if (value !== undefined && sameShape(value.shape, shape)) continue;
    throw new UserError("bad-graph", `parameter "${name}" has no values of its shape`, {
      about: network.graph.name,
      expected: formatShape(shape),
      received: value === undefined ? "none" : formatShape(value.shape),
      hint: "Pass the graph alone to start from fresh weights",
    });
  }
  return network;
}

/** Throws unless `graph`, in messages `name`, takes the dataset's images and gives one logit a class. */
export function checkFit(graph: Graph, dataset: Dataset, name: string = graph.name): void {
  const [input, ...moreInputs] = graph.inputs;
  const [output, ...moreOutputs] = graph.outputs;
  if (input === undefined || output === undefined || moreInputs.length > 0 || moreOutputs.length > 0) {
    throw new UserError("unsupported", "the network has not exactly one input and one output", {
      about: name,
      expected: "images in, logits out",
      received: `${graph.inputs.length} inputs, ${graph.outputs.length} outputs`,
      hint: "Give a classifier: one input of images, one output of logits",
    });
  }
  const images = [1, ...dataset.sampleShape];
  const logits = [1, dataset.classes.length];
  checkShape(`the images that ${name} takes`, bindBatch(input.shape, 1), images, dataset);
  checkShape(`the logits of ${name}`, inferShapes(graph, 1).get(output) ?? [], logits, dataset);
}

function checkShape(about: string, received: readonly number[], expected: readonly number[], dataset: Dataset): void {
  if (sameShape(received, expected)) return;
  throw new UserError("bad-option", `model and data do not fit together`, {
    about,
    expected: `${formatShape(expected)} for ${dataset.name}`,
    received: formatShape(received),
    hint: "Choose a model for these images and classes, or other data",
  });
}

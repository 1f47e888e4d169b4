/** The network that a run starts from: a model of the zoo, an ONNX file, a graph, or a graph with weights. */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { formatShape, sameShape } from "../../core/tensor.ts";
import type { Dataset, SampleShape } from "../../data/dataset.ts";
import type { FixedInputs } from "../../formats/onnx/fixed-inputs.ts";
import { loadForTraining } from "../../formats/onnx/index.ts";
import type { Pair } from "../../graph/attributes.ts";
import type { Graph, Input, Network } from "../../graph/graph.ts";
import { singleScoreOf } from "../../graph/logits.ts";
import { bindBatch, inferShapes } from "../../graph/shapes.ts";
import type { LatencyTable } from "../../latency/table.ts";
import { initialize } from "../../models/initialize.ts";
import { model, modelNames } from "../../models/zoo.ts";
import { type Budget, budgetSelection } from "../../selection/budget.ts";
import type { CostOptions } from "../../selection/cost-model.ts";
import { type Factor, factorsOf, type Selection, selectionKeys } from "../../selection/factors.ts";
import { type Placement, place, requireKinds } from "../../selection/place.ts";
import { type GammaMeasure, shareGamma } from "../../selection/structure-costs.ts";
import type { Settings } from "../settings/settings.ts";
import { finishedRun, isRunFolder } from "./finished-run.ts";
import { checkFurtherInputs } from "./further-inputs.ts";
import { fitHead } from "./head/fit-head.ts";
import type { FittedHead } from "./head/head.ts";
import { checkIntegers } from "./integer-inputs.ts";

/**
 * A name such as "resnet-20", the path of an `.onnx` file, the folder of a finished run, a graph (its weights are drawn
 * from the seed), or a network.
 */
export type ModelSource = string | Graph | Network;

/** A network read from an ONNX file. It replaces the path, so that the file is read once. */
export interface ModelFile extends Network {
  readonly path: string;
  /** What the user should know about how it was read. */
  readonly notice?: string;
}

/** A name of the zoo, whose graph depends on the data, or an opened network. */
export type OpenModel<S extends ModelSource = ModelSource> = S | ModelFile;

interface Opening {
  readonly inputs?: FixedInputs | undefined;
  readonly outputs?: readonly string[] | undefined;
  readonly size?: number | Pair | undefined;
}

/**
 * Reads the file, up to `outputs`, if `source` is a path, and of a finished run the compact network; otherwise returns
 * `source`. `size`: height and width of its images, where the file leaves them open. Throws the errors of reading a
 * file, "missing-file" for a path without a file or a finished run, and "bad-option" for `outputs` without a file.
 */
export async function openModel<S extends ModelSource>(
  source: S,
  { outputs, size, inputs }: Opening = {},
): Promise<OpenModel<S>> {
  const path = typeof source === "string" ? await pathOf(source) : undefined;
  if (path === undefined) {
    if (outputs !== undefined && fileOf(source) === undefined) refuseOutputs(outputs);
    if (inputs !== undefined && fileOf(source) === undefined) refuseInputs(Object.keys(inputs));
    return source;
  }
  const { network, notice } = await loadForTraining(path, optional({ outputs, size, inputs }));
  return { ...network, path, ...optional({ notice }) };
}

/** The path of the file that `source` names; undefined for the name of a model. */
async function pathOf(source: string): Promise<string | undefined> {
  if (isRunFolder(source)) return (await finishedRun(source)).model;
  if (isOnnxFile(source)) return source;
  if (modelNames.includes(source) || !(/[\\/]/.test(source) || existsSync(source))) return undefined;
  throw new UserError("missing-file", "there is no ONNX file and no run", {
    about: source,
    hint: "Give a file whose name ends in .onnx, the folder of a finished run, or the name of a model",
  });
}

function refuseInputs(names: readonly string[]): never {
  throw new UserError("bad-option", "only inputs of a network from a file can be fixed", {
    about: 'option "inputs"',
    received: names.join(", "),
    hint: "Leave it out, or start from an ONNX file",
  });
}

function refuseOutputs(outputs: readonly string[]): never {
  throw new UserError("bad-option", "only a network from a file can end at other values", {
    about: 'option "outputs"',
    received: outputs.join(", "),
    hint: "Leave it out, or start from an ONNX file",
  });
}

/** `source` if it was read from a file. */
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
  /** Decides the kinds of structures if `select` has none. */
  readonly budget?: Budget;
}

/** The settings that decide what of a model is kept. */
export interface FitOptions extends Partial<Pick<Settings, "fromScratch" | "keepHead">> {
  /** Whether the network is taught its own outputs: it needs no classes then. */
  readonly isTaught?: boolean;
}

/**
 * The network of `source` for these data, without its weights if the run starts from scratch, and with another head if
 * the data has other classes.
 * @throws UserError "unknown-name", "bad-option" if model and data do not fit.
 */
export function networkFor(source: OpenModel, dataset: Dataset, options: FitOptions = {}): FittedHead {
  const { fromScratch = false, keepHead = false, isTaught = false } = options;
  const found = plainNetwork(source, dataset);
  const given = fromScratch ? { graph: found.graph, weights: new Map() } : found;
  if (isTaught) {
    checkImages(given.graph, dataset, nameOf(source, given.graph));
    return { network: given };
  }
  const fitted = keepHead ? { network: given } : fitHead(given, dataset.classes, dataset.labelSets !== undefined);
  checkFit(fitted.network.graph, dataset, nameOf(source, given.graph));
  return fitted;
}

/**
 * `network` with the factors that `select` asks for, or with those that it has already, which get their γ from
 * `select`. Missing weights are drawn with `seed`. A budget or γ by latency needs `latencyTable`.
 * @throws the errors of `place`.
 */
export function withFactors(
  { graph: plain, weights }: Network,
  { select: chosen, seed, gammaBy = "none", budget }: FactorOptions,
  latencyTable?: LatencyTable,
): StartingNetwork {
  const costs = optional({ latencyTable });
  const select = budget === undefined || Object.keys(chosen).length > 0 ? chosen : selectionOf(plain, budget, costs);
  const existing = factorsOf(plain, select);
  if (existing.length > 0) requireKinds(plain, select, [...new Set(existing.map(({ kind }) => kind))]);
  const { graph, factors }: Placement =
    existing.length > 0 ? { graph: plain, factors: existing } : place(plain, select);
  // Keeps the given weights. Parameters without values, such as new factors, start as in a new network.
  const initial = initialize(graph, seed);
  return {
    network: { graph, weights: new Map([...initial].map(([name, value]) => [name, weights.get(name) ?? value])) },
    factors: shareGamma(graph, factors, gammaBy, costs),
  };
}

/** The selection for a budget: all kinds of factors that the graph has; the default kinds if it has none. */
function selectionOf(graph: Graph, budget: Budget, costs: CostOptions): Selection {
  const placed = factorsOf(graph);
  return placed.length === 0
    ? budgetSelection(graph, budget, costs)
    : Object.fromEntries(placed.map(({ kind }) => [selectionKeys[kind], 1] as const));
}

/**
 * Channels, height and width of the input of `source`; for a model of the zoo those it is designed for. Undefined
 * if its first input is not images. Throws `UserError("unknown-name")`.
 */
export function inputOf(source: OpenModel): SampleShape | undefined {
  if (typeof source !== "string") return sampleShapeOf("graph" in source ? source.graph : source);
  return sampleShapeOf(model(source, { classes: 10 }));
}

/** Channels, height and width of the first input of `graph`; undefined if it has another shape. */
export function sampleShapeOf({ inputs }: Graph): SampleShape | undefined {
  const [input] = inputs;
  if (input === undefined) return undefined;
  const [, channels, height, width, ...others] = bindBatch(input.shape, 1);
  if (channels === undefined || height === undefined || width === undefined || others.length > 0) return undefined;
  return [channels, height, width];
}

/** Whether the model name `source` is the path of an ONNX file. */
export function isOnnxFile(source: string): boolean {
  return source.toLowerCase().endsWith(".onnx");
}

/** Names that exporters give to the graph of every network. */
const namesOfExporters: ReadonlySet<string> = new Set([
  ...["", "main_graph", "torch_jit", "torch-jit-export", "tf2onnx", "main", "graph", "model"],
]);

/**
 * Name of a run of `source`: the name of its graph, or of its file if the graph has only an exporter's default name.
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
    throw new UserError("bad-option", "models of the zoo take square images", {
      about: dataset.name,
      received: `${size} x ${width} pixels`,
      hint: "Use a model of your own as an ONNX file",
    });
  }
  return { graph: model(source, { classes: dataset.classes.length, channels, size }), weights: new Map() };
}

function withAllWeights(network: Network): Network {
  for (const { name, shape } of network.graph.parameters) {
    const value = network.weights.get(name);
    if (value !== undefined && sameShape(value.shape, shape)) continue;
    throw new UserError("bad-graph", `parameter "${name}" has no value of its shape`, {
      about: network.graph.name,
      expected: formatShape(shape),
      received: value === undefined ? "none" : formatShape(value.shape),
      hint: "Pass the graph alone to start from new weights",
    });
  }
  return network;
}

/** Throws unless `graph` takes the dataset's images and its values beside them; messages call it `name`. */
function checkImages(graph: Graph, dataset: Dataset, name: string): void {
  const [input, ...others] = graph.inputs;
  if (input === undefined) {
    throw new UserError("unsupported", "the network has no input", {
      about: name,
      expected: "images",
      received: "none",
      hint: "Use a network with an input of images",
    });
  }
  checkInput(input, dataset, name);
  checkFurtherInputs(others, dataset, name);
  checkIntegers(graph, dataset, name);
}

/** Axes of a batch of images. */
const IMAGE_RANK = 4;

/** Throws unless `input` takes the dataset's images. */
function checkInput({ shape }: Input, dataset: Dataset, name: string): void {
  if (shape.length > IMAGE_RANK) {
    throw new UserError("unsupported", "takes volumes, and data sets hold images", {
      about: name,
      expected: "an input of [N, channels, height, width]",
      received: `[${shape.join(", ")}]`,
      hint: "Train it in a loop of your own, with trainingGraph() of espalier/engine, as examples/own-loop.ts does",
    });
  }
  checkShape(`the images that ${name} takes`, bindBatch(shape, 1), [1, ...dataset.sampleShape], dataset);
}

/**
 * Throws unless `graph` takes the dataset's images and has one logit for each class, or one number for two classes;
 * messages call it `name`.
 */
export function checkFit(graph: Graph, dataset: Dataset, name: string = graph.name): void {
  if (dataset.isUnlabelled === true) {
    throw new UserError("bad-option", "the images have no labels", {
      about: dataset.name,
      hint: "Put them into one folder for each class, or teach the network its own outputs with --teach outputs",
    });
  }
  const [output, ...moreOutputs] = graph.outputs;
  if (output === undefined || moreOutputs.length > 0) {
    throw new UserError("unsupported", "the network does not have exactly one output", {
      about: name,
      expected: "logits",
      received: `${graph.outputs.length} outputs`,
      hint: "Name one output of logits with --outputs, or teach the network its own outputs with --teach outputs",
    });
  }
  const logits = [1, dataset.classes.length];
  checkImages(graph, dataset, name);
  if (dataset.classes.length === 2 && dataset.labelSets === undefined && singleScoreOf(graph) !== undefined) return;
  checkShape(`the logits of ${name}`, inferShapes(graph, 1).get(output) ?? [], logits, dataset);
}

function checkShape(about: string, received: readonly number[], expected: readonly number[], dataset: Dataset): void {
  if (sameShape(received, expected)) return;
  throw new UserError("bad-option", `model and data do not fit together`, {
    about,
    expected: `${formatShape(expected)} for ${dataset.name}`,
    received: formatShape(received),
    hint: "Choose a model for these images and classes, or choose other data",
  });
}

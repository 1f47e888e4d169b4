/**
 * Reads a file of which only a part is a network that Espalier reads. The parts before and behind it are found, or
 * named by the caller, and kept in the header.
 */
import { EspalierError, UserError } from "../../../core/errors.ts";
import type { Carried, Network } from "../../../graph/graph.ts";
import { bindBatch, inferShapes } from "../../../graph/shapes.ts";
import type { Constant } from "../folding/constant.ts";
import { opsetOf } from "../header.ts";
import type { ModelMessage, TensorMessage } from "../proto.ts";
import { networkInput } from "./before.ts";
import { type Attempt, hasLayer, networkOutputs } from "./behind.ts";
import { notedSplit } from "./noted.ts";
import { type GraphMessage, rawGraphOf } from "./parts.ts";
import { divide, type Split, type WholeFile } from "./split.ts";
import { upgraded } from "./upgrade.ts";

/** What a reading notes, also if it fails. */
export interface Trace {
  unread: ReadonlySet<string>;
  constants: ReadonlyMap<string, Constant>;
}

export interface PartsOptions {
  readonly file: string;
  /** The values where the network ends. Default: the file's outputs, or where the nodes end that can be read. */
  readonly outputs?: readonly string[] | undefined;
  /** Reads a model whose graph is the network alone. */
  read(model: ModelMessage & { graph: GraphMessage }, trace: Trace): Network;
  integers(tensor: TensorMessage): readonly number[] | undefined;
}

type ModelWithGraph = ModelMessage & { readonly graph: GraphMessage };

/** Reads the network in `model`, which was decoded from `bytes`. Throws the errors of `read`. */
export function readParts(model: ModelWithGraph, bytes: Uint8Array, options: PartsOptions): Network {
  const { graph } = model;
  const { file, outputs } = options;
  const noted = notedSplit(model, file);
  if (noted === undefined && outputs === undefined) {
    const trace = emptyTrace();
    try {
      return options.read(model, trace);
    } catch (error) {
      if (!(error instanceof UserError) || error.code !== "unsupported") throw error;
      const split = splitAfter(graph, trace, options);
      if (split === undefined) throw error;
      return readDivided({ model, graph, raw: rawGraphOf(bytes, file), file }, split, trace, options);
    }
  }
  const whole = { model, graph, raw: rawGraphOf(bytes, file), file };
  const split =
    noted === undefined || outputs !== undefined
      ? { ...noted, ...(outputs === undefined ? {} : { outputs, isChosen: true }) }
      : noted;
  return readDivided(whole, split, traceOfWhole(model, options), options);
}

function emptyTrace(): Trace {
  return { unread: new Set(), constants: new Map() };
}

/** What reading the whole file would show, whether it succeeds or not. */
function traceOfWhole(model: ModelWithGraph, options: PartsOptions): Trace {
  const trace = emptyTrace();
  try {
    options.read(model, trace);
  } catch (error) {
    // What cannot be read may be carried. The reading of the network alone throws what it cannot do without.
    if (!(error instanceof EspalierError)) throw error;
  }
  return trace;
}

/** Where the network begins and ends, after the whole file could not be read; undefined if that would not help. */
function splitAfter(graph: GraphMessage, trace: Attempt, options: PartsOptions): Split | undefined {
  const input = networkInput(
    graph,
    ({ output = [] }) => output.some((name) => trace.unread.has(name)),
    (name) => integersOf(graph, name, options),
  );
  const results = (graph.output ?? []).map(({ name }) => name ?? "");
  if (input === undefined || !hasLayer(graph, results, input.name)) {
    const outputs = networkOutputs(graph, trace);
    return outputs === undefined ? undefined : { outputs };
  }
  return { input };
}

function integersOf(graph: GraphMessage, name: string, { integers }: PartsOptions): readonly number[] | undefined {
  const stored = (graph.initializer ?? []).find((one) => one.name === name);
  const node = (graph.node ?? []).find(({ output, opType }) => opType === "Constant" && output?.[0] === name);
  const tensor = stored ?? node?.attribute?.find((one) => one.name === "value")?.t;
  return tensor === undefined ? undefined : integers(tensor);
}

function readDivided(whole: WholeFile, split: Split, trace: Attempt, options: PartsOptions): Network {
  const { model: network, carried } = divide(whole, split, trace.constants);
  const graph = network.graph ?? {};
  const again = emptyTrace();
  try {
    return withCarried(options.read({ ...network, graph }, again), carried, whole);
  } catch (error) {
    // With the nodes before the network out of the way, those behind it can be found.
    if (!(error instanceof UserError) || error.code !== "unsupported" || split.outputs !== undefined) throw error;
    const outputs = networkOutputs(graph, again);
    if (outputs === undefined) throw error;
    return readDivided(whole, { ...split, outputs }, again, options);
  }
}

function withCarried({ graph, weights }: Network, carried: Carried, { model, file }: WholeFile): Network {
  const isAll = carried.before.length === 0 && carried.behind.length === 0 && carried.dropped.length === 0;
  const fileOutputs = (model.graph?.output ?? []).map(({ name }) => name);
  if (isAll && fileOutputs.join("\n") === graph.outputs.join("\n")) return { graph, weights };
  const opset = opsetOf(model, file);
  const shapes = inferShapes(graph, 1);
  const ranks = new Map([...shapes].map(([name, shape]) => [name, shape.length] as const));
  for (const { name, shape } of graph.inputs) ranks.set(name, bindBatch(shape, 1).length);
  const [before, behind] = [carried.before, carried.behind].map((nodes) => upgraded(nodes, opset, ranks, file));
  const whole: Carried = {
    ...carried,
    before: before?.nodes ?? [],
    behind: behind?.nodes ?? [],
    tensors: [...carried.tensors, ...(before?.tensors ?? []), ...(behind?.tensors ?? [])],
  };
  return { graph: { ...graph, header: { ...graph.header, carried: whole } }, weights };
}

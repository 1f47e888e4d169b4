/**
 * What every engine checks before it touches memory: names, types and shapes of what a caller hands to a plan, and that
 * the plan still lives. All of it is the caller's to mend, so all of it is a `UserError`.
 */
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import { unknownName } from "../core/names.ts";
import {
  type DType,
  elementCount,
  formatShape,
  type Labels,
  type Shape,
  sameShape,
  type Tensor,
} from "../core/tensor.ts";
import type { Graph, Weights } from "../graph/graph.ts";
import { bindBatch } from "../graph/shapes.ts";
import type { Feeds } from "./engine.ts";

/** Throws `UserError("bad-option")` unless `batch` is a whole number from 1. */
export function checkBatch(batch: number): void {
  if (Number.isInteger(batch) && batch >= 1) return;
  throw new UserError("bad-option", "illegal batch size", {
    expected: "a whole number from 1",
    received: `${batch}`,
    hint: "Choose how many images go through the network at a time",
  });
}

/** Throws `UserError("bad-option")` unless each argument of the method `call` of a plan is of the kind it has there. */
export function requirePlanArguments(call: string, given: Partial<PlanArguments>): void {
  if ("feeds" in given) requireArguments(call, { feeds: [given.feeds, "feeds"] });
  if ("values" in given) requireArguments(call, { values: [given.values, "tensors"] });
  if ("names" in given) requireArguments(call, { names: [given.names, "texts"] });
  if ("runs" in given) requireArguments(call, { runs: [given.runs, "positive whole number"] });
}

interface PlanArguments {
  readonly feeds: Feeds;
  readonly values: Weights;
  readonly names: readonly string[];
  readonly runs: number;
}

/** Throws unless `feeds` are the inputs of `graph`, all of them and no others, each of its type and shape. */
export function checkFeeds(graph: Graph, batch: number, feeds: Feeds): void {
  const known = graph.inputs.map(({ name }) => name);
  for (const name of Object.keys(feeds)) {
    if (!known.includes(name)) throw unknownName("input", name, known);
  }
  for (const { name, dtype, shape } of graph.inputs) {
    const value = feeds[name];
    if (value === undefined) {
      throw new UserError("bad-option", "an input got no value", {
        about: `input "${name}" of ${graph.name}`,
        hint: `Feed all of: ${known.join(", ")}`,
      });
    }
    checkValue(`input "${name}" of ${graph.name}`, value, dtype, bindBatch(shape, batch));
  }
}

/** Throws unless every name in `values` is a parameter of `graph` and its value has the parameter's shape. */
export function checkWrites(graph: Graph, values: Weights): void {
  const shapes = parameterShapes(graph);
  for (const [name, value] of values) {
    const shape = shapes.get(name);
    if (shape === undefined) throw unknownName("parameter", name, [...shapes.keys()]);
    checkValue(`parameter "${name}" of ${graph.name}`, value, "f32", shape);
  }
}

/** Throws unless every name is a parameter of `graph`. */
export function checkReads(graph: Graph, names: readonly string[]): void {
  const shapes = parameterShapes(graph);
  for (const name of names) {
    if (!shapes.has(name)) throw unknownName("parameter", name, [...shapes.keys()]);
  }
}

/** What a disposed plan or engine answers to every call. */
export function useAfterDispose(what: string): UserError {
  return new UserError("use-after-dispose", `${what} was disposed and cannot be used any more`, {
    hint: "Prepare the graph again",
  });
}

function parameterShapes(graph: Graph): Map<string, Shape> {
  return new Map(graph.parameters.map(({ name, shape }) => [name, shape]));
}

function checkValue(about: string, value: Tensor | Labels, dtype: DType, shape: Shape): void {
  if (value.dtype !== dtype) {
    throw new UserError("bad-option", "wrong type", {
      about,
      expected: dtype,
      received: value.dtype,
      hint: "Make it with tensor() for numbers, with Int32Array for labels",
    });
  }
  if (!sameShape(value.shape, shape)) {
    throw new UserError("bad-option", "wrong shape", {
      about,
      expected: formatShape(shape),
      received: formatShape(value.shape),
      hint: "Feed the shape that the plan was prepared for",
    });
  }
  if (value.data.length !== elementCount(shape)) {
    throw new UserError("bad-option", "wrong number of values", {
      about,
      expected: `${elementCount(shape)} for shape ${formatShape(shape)}`,
      received: `${value.data.length}`,
      hint: "Give as many values as the shape has",
    });
  }
}

/**
 * Checks the arguments of public functions, for programs without types. A value of the wrong kind is refused by name,
 * before it causes an error somewhere inside. The checks look at the outside of a value only: what a graph or a dataset
 * contains is checked where it is used.
 */
import { UserError } from "./errors.ts";

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string" && value !== "";
const isObject: Check = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isWhole: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const isFunction: Check = (value) => typeof value === "function";
const isPositive: Check = (value) => isWhole(value) && Number(value) > 0;
const isBoolean: Check = (value) => typeof value === "boolean";
const isPair: Check = (value) => Array.isArray(value) && value.length === 2 && value.every(isPositive);
/** Of an image or a volume. */
const isExtents: Check = (value) =>
  isPair(value) || (Array.isArray(value) && value.length === 3 && value.every(isPositive));

/** An object whose fields, by name, pass their checks. */
function has(fields: Readonly<Record<string, Check>>): Check {
  return (value) =>
    typeof value === "object" &&
    value !== null &&
    Object.entries(fields).every(([name, check]) => check(Reflect.get(value, name)));
}

const isPromise: Check = (value) => value instanceof Promise;
const isString: Check = (value) => typeof value === "string";
const isFactor = has({ parameter: isText, kind: isText, count: isWhole, gamma: Number.isFinite });
const isBudget: Check = (value) =>
  has({ of: isText, share: Number.isFinite })(value) || has({ of: isText, count: isWhole })(value);

const isIntegerOrAbsent: Check = (value) => value === undefined || Number.isSafeInteger(value);
const isPadding = has({
  ...{ top: Number.isSafeInteger, left: Number.isSafeInteger },
  ...{ bottom: Number.isSafeInteger, right: Number.isSafeInteger },
  ...{ front: isIntegerOrAbsent, back: isIntegerOrAbsent },
});
const isShape: Check = (value) => Array.isArray(value) && value.every(isWhole);
const isTensor = has({ shape: isShape, data: (data) => data instanceof Float32Array });
const isFed: Check = (value) =>
  isTensor(value) || has({ shape: isShape, data: (data) => data instanceof Int32Array })(value);
const isTensors: Check = (value) => value instanceof Map && [...value.values()].every(isTensor);
const lists = (...names: readonly string[]): Check =>
  has(Object.fromEntries(names.map((name) => [name, Array.isArray])));
const isGraph = lists("inputs", "parameters", "nodes", "outputs", "updates");
const isNetwork = has({ graph: isGraph, weights: (weights) => weights instanceof Map });
const isSplit = has({ sampleShape: Array.isArray, count: isWhole, labels: (labels) => labels instanceof Int32Array });
const isNormalization = lists("mean", "standardDeviation");
const isDataset = has({
  ...{ name: isText, classes: Array.isArray, sampleShape: Array.isArray, normalization: isNormalization },
  ...{ augmentation: isObject, train: isSplit, test: isSplit },
});

const isMap: Check = (value) => value instanceof Map;
const isQuantization = has({ activations: isMap, parameters: isMap, floatNodes: (value) => value instanceof Set });

/** Kinds of arguments: how each is told, and whether a value is one. */
const kinds = {
  text: ["a text", isText],
  "text or none": ["a text", isString],
  texts: ["a list of texts", (value) => Array.isArray(value) && value.every(isText)],
  object: ["an object", isObject],
  "whole number": ["a whole number from 0", isWhole],
  "positive whole number": ["a whole number from 1", isPositive],
  boolean: ["true or false", isBoolean],
  pair: ["[height, width], both from 1", isPair],
  extents: ["[height, width] or [depth, height, width], all from 1", isExtents],
  "number or extents": [
    "a whole number from 1, or one for each of [height, width] or [depth, height, width]",
    (value) => isPositive(value) || isExtents(value),
  ],
  "number or pair": ["a whole number from 1, or [height, width]", (value) => isPositive(value) || isPair(value)],
  "number or shape": ["a whole number, or a list of them", (value) => isWhole(value) || isShape(value)],
  padding: ["top, left, bottom and right, in whole numbers", isPadding],
  "number or padding": [
    "a whole number, or top, left, bottom and right",
    (value) => Number.isSafeInteger(value) || isPadding(value),
  ],
  integers: ["a list of whole numbers", (value) => Array.isArray(value) && value.every(Number.isSafeInteger)],
  "symbolic shape": [
    'a list of whole numbers from 0, or "N" for the batch',
    (value) => Array.isArray(value) && value.every((one) => one === "N" || isWhole(one)),
  ],
  shape: ["a list of whole numbers from 0", isShape],
  "shape of an image": ["[channels, height, width]", (value) => isShape(value) && Object(value).length === 3],
  floats: ["a Float32Array", (value) => value instanceof Float32Array],
  tensor: ["a tensor of floats", isTensor],
  feeds: ["tensors by name", (value) => isObject(value) && Object.values(Object(value)).every(isFed)],
  tensors: ["a Map of names and tensors", isTensors],
  graph: ["a graph", isGraph],
  network: ["a network: its graph, and a Map of its weights", isNetwork],
  "graph or network": [
    "a graph, a network or a model's name",
    (value) => [isText, isGraph, isNetwork].some((is) => is(value)),
  ],
  split: ["images with their labels", isSplit],
  normalization: ["mean and standardDeviation, a number a channel each", isNormalization],
  dataset: ["a dataset", isDataset],
  data: [
    "a dataset, its name or folder, or a reference to one",
    (value) => [isText, isPromise, isDataset, has({ open: isFunction })].some((is) => is(value)),
  ],
  classifier: ["a classifier", has({ batch: isWhole, logits: isFunction })],
  engine: ["an engine's host", has({ name: isText, prepare: isFunction })],
  "cut list": ["a list of cuts", lists("layers", "steps", "notes")],
  certificate: ["a certificate", lists("comparisons")],
  comparison: ["what compareRuns() gives", lists("groups", "unfinished")],
  number: ["a number", Number.isFinite],
  numbers: ["a list of numbers", (value) => Array.isArray(value) && value.every(Number.isFinite)],
  "number or infinity": ["a number", (value) => typeof value === "number" && !Number.isNaN(value)],
  bytes: ["a Uint8Array", (value) => value instanceof Uint8Array],
  factors: ["a list of scaling factors", (value) => Array.isArray(value) && value.every(isFactor)],
  "state of a controller": ["what initial() gives", has({ importance: isObject, chosen: isObject, gamma: isObject })],
  budget: ["what parseBudget() gives", isBudget],
  "latency table": ["what parseLatencyTable() gives", has({ format: isText, layers: Array.isArray })],
  "texts by name": ["texts by name", (value) => isObject(value) && Object.values(Object(value)).every(isString)],
  map: ["a Map", isMap],
  quantization: ["what quantize() gives", isQuantization],
  function: ["a function", isFunction],
} satisfies Readonly<Record<string, readonly [expected: string, check: Check]>>;

type Kind = keyof typeof kinds;

/** A kind of arguments; a `?` behind it: it may be left away. */
export type ArgumentKind = Kind | `${Kind}?`;

/** Each argument by its name: the value that was given, and its kind. */
export type Arguments = Readonly<Record<string, readonly [value: unknown, kind: ArgumentKind]>>;

/** Throws `UserError("bad-option")`, about the argument, unless each argument of the function `call` is of its kind. */
export function requireArguments(call: string, given: Arguments): void {
  for (const [name, [value, written]] of Object.entries(given)) {
    if (value === undefined && written.endsWith("?")) continue;
    const [expected, check] = kinds[kindOf(written)];
    if (check(value)) continue;
    throw new UserError("bad-option", `the argument "${name}" of ${call}() is of another kind`, {
      expected,
      received: describe(value),
      hint: `Give ${call}() ${expected}`,
    });
  }
}

/** Throws `UserError("bad-option")` unless `value`, the argument `name` of the function `call`, is one of `known`. */
export function requireOneOf(call: string, name: string, value: unknown, known: readonly string[]): void {
  if (known.some((one) => one === value)) return;
  const expected = known.map((one) => `"${one}"`).join(", ");
  throw new UserError("bad-option", `the argument "${name}" of ${call}() is none of those there are`, {
    expected,
    received: describe(value),
    hint: `Give ${call}() one of ${expected}`,
  });
}

function kindOf(written: ArgumentKind): Kind {
  const names = Object.keys(kinds) as Kind[];
  return names.find((kind) => written === kind || written === `${kind}?`) ?? "object";
}

/** A value in a few words. */
function describe(value: unknown): string {
  if (typeof value === "string") return value === "" ? "an empty text" : `"${value.slice(0, 40)}"`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null)
    return `an object with ${Object.keys(value).slice(0, 5).join(", ") || "nothing"}`;
  return typeof value === "function" ? "a function" : String(value);
}

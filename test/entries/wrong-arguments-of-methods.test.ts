/**
 * The methods of every class and object that the package hands out, called as a program without types might: an
 * argument of the wrong kind is refused by a `UserError` that names it. A method without a row here fails.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as datasets from "../../src/entries/datasets.ts";
import * as engines from "../../src/entries/engine.ts";
import * as graphs from "../../src/entries/graph.ts";
import * as models from "../../src/entries/models.ts";
import * as pruning from "../../src/entries/pruning.ts";
import * as top from "../../src/index.ts";
import { tinyDataset, tinyResnet } from "../training/tiny.ts";
import { everyExport } from "./exports.ts";

const espalier = { ...top, ...datasets, ...engines, ...graphs, ...models, ...pruning };

/** An argument by its name: a right value, and wrong ones; of an options object, wrong fields by their names. */
interface Argument {
  readonly right: unknown;
  readonly wrong?: readonly unknown[];
  readonly fields?: Readonly<Record<string, readonly unknown[]>>;
}
type Row = Readonly<Record<string, Argument>>;

const nothing = (): void => {};
const notText = [undefined, null, Number.NaN, 5, "", {}, [], nothing, true];
const notObject = [null, Number.NaN, 5, "text", [], nothing, true];
const notPositive = [undefined, null, Number.NaN, -1, 0, 0.5, "2", {}, [], nothing, Number.POSITIVE_INFINITY];
const notPositiveIfGiven = notPositive.slice(1);
const notList = [undefined, null, 5, "text", {}, nothing];
const notPair = [undefined, null, "2", Number.NaN, [1], [1, "2"], {}];
const notSides = [null, "1", 0.5, { top: 1 }, [1, 1, 1, 1]];
const notBoolean = [null, 0, "yes", {}];
const notNumber = [null, "1", Number.NaN, {}];
const notOptions = [null, 5, "frozen"];
const notTensors = [undefined, null, 5, "text", {}, new Map([["a", 5]]), new Map([["a", { shape: [1], data: [1] }]])];

const text = (right: string): Argument => ({ right, wrong: notText });
const object = (right: object, fields: Argument["fields"] = {}): Argument => ({ right, wrong: notObject, fields });
const required = (argument: Argument): Argument => ({
  ...argument,
  wrong: [undefined, ...(argument.wrong ?? [])],
});
const positive: Argument = { right: 1, wrong: notPositive };
const named = { name: text("node"), src: text("images") };

const windowFields = { kernel: notPair, strides: notPair.slice(1), padding: notSides };
const options = { kernel: 3, channels: 4 };

const builderRows: Readonly<Record<string, Row>> = {
  shape: { value: text("images") },
  input: {
    ...{ name: text("other"), shape: { right: ["N", 2], wrong: [...notList, [-1], ["M"], [0.5]] } },
    integer: { right: "int64", wrong: [null, 5, "float"] },
  },
  parameter: {
    ...{ name: text("other"), shape: { right: [2], wrong: [...notList, [-1], ["N"]] } },
    kind: { right: "weights", wrong: [...notText, "nonsense"] },
    options: object({}, { isFrozen: notBoolean, initial: notOptions }),
  },
  convolution: {
    ...named,
    options: required(
      object(options, {
        ...windowFields,
        ...{ channels: notPositive, dilation: notPair.slice(1), groups: notPositiveIfGiven, bias: notBoolean },
        weights: notOptions,
      }),
    ),
  },
  deconvolution: {
    ...named,
    options: required(
      object(options, {
        ...windowFields,
        outputPadding: [null, "1", -1, 0.5, {}],
        ...{ channels: notPositive, dilation: notPair.slice(1), groups: notPositiveIfGiven, bias: notBoolean },
      }),
    ),
  },
  batchNormalization: {
    ...named,
    options: object({}, { epsilon: notNumber, momentum: notNumber, isScaleFrozen: notBoolean }),
  },
  relu: named,
  relu6: named,
  activation: {
    ...named,
    attributes: required(
      object(
        { function: "linear", slope: 1, offset: 0 },
        {
          function: [...notText, "nonsense"],
          ...{ slope: [undefined, ...notNumber], offset: [undefined, ...notNumber] },
        },
      ),
    ),
  },
  gelu: { ...named, options: object({}, { approximation: [1, "quick"] }) },
  softmax: { ...named, attributes: object({}, { isLogarithm: notBoolean, axis: notPositiveIfGiven }) },
  add: { name: text("node"), a: text("images"), b: text("images") },
  multiply: { name: text("node"), a: text("images"), b: text("images") },
  matmul: { name: text("node"), a: text("images"), b: text("images") },
  binary: {
    ...{ name: text("node"), a: text("images"), b: text("images") },
    attributes: required(object({ function: "divide" }, { function: [...notText, "nonsense", "toString"] })),
  },
  reduction: {
    ...named,
    attributes: required(
      object(
        { function: "mean", axes: [1], keepsAxes: true },
        {
          function: [...notText, "nonsense"],
          axes: [...notList, [-1]],
          keepsAxes: [undefined, ...notBoolean],
          zeros: [null, -1, 0.5, "1"],
        },
      ),
    ),
  },
  normalization: {
    ...named,
    attributes: required(
      object(
        { axes: [2, 3], epsilon: 1e-5 },
        { axes: [...notList, [-1]], groups: notPositiveIfGiven, epsilon: [undefined, ...notNumber] },
      ),
    ),
  },
  localResponseNormalization: {
    ...named,
    attributes: required(
      object(
        { size: 3, alpha: 1, beta: 0.75, bias: 1 },
        {
          ...{ size: notPositive, alpha: [undefined, ...notNumber], beta: [undefined, ...notNumber] },
          bias: [undefined, ...notNumber],
        },
      ),
    ),
  },
  prelu: { ...named, options: object({}, { shared: notBoolean }) },
  gain: named,
  bias: named,
  concatenation: { name: text("node"), sources: { right: ["images"], wrong: [...notList, [5], [""]] } },
  maxPooling: { ...named, options: required(object(options, windowFields)) },
  averagePooling: { ...named, options: required(object(options, { ...windowFields, countIncludePad: notBoolean })) },
  globalAveragePooling: named,
  linear: {
    ...{ name: text("node"), src: text("flat"), outputs: positive },
    options: object({}, { bias: notBoolean, weights: notOptions }),
  },
  flatten: { ...named, options: object({}, { channelsLast: notBoolean }) },
  upsampling: { ...named, factors: { right: 2, wrong: notPair } },
  resampling: {
    ...named,
    attributes: required(
      object(
        { method: "linear", size: [3, 4], coordinates: "half_pixel" },
        {
          ...{ method: [...notText, "nonsense"], size: notPair, coordinates: [...notText, "nonsense"] },
          scales: [null, "1", ["1"], {}],
        },
      ),
    ),
  },
  reshape: { ...named, shape: { right: [9, 8], wrong: [...notList, [-1], ["N"]] } },
  lookup: { ...named, rows: positive, features: positive, column: { right: 0, wrong: [null, -1, 0.5, "1"] } },
  gather: { ...named, order: { right: [1, 0], wrong: [...notList, [-1], ["N"]] } },
  transpose: { ...named, permutation: { right: [0, 2, 3, 1], wrong: [...notList, ["0"]] } },
  pad: {
    ...{ ...named, before: { right: [0, 1, 0, 0], wrong: [...notList, [0.5]] } },
    after: { right: [0, 1, 0, 0], wrong: [...notList, ["1"]] },
  },
  subsample: { ...named, step: positive },
  scale: { ...named, factors: positive },
  node: {
    op: { right: "clip", wrong: [...notText, "nonsense", "nesterov_sgd", "toString"] },
    name: text("node"),
    inputs: { right: ["images"], wrong: [...notList, [5]] },
    attributes: required(
      object({ minimum: 0, maximum: 6 }, { minimum: [undefined, ...notNumber], maximum: [undefined, ...notNumber] }),
    ),
  },
  output: { value: text("images") },
  build: {},
};

const feeds: Argument = {
  right: { images: espalier.tensor([1, 2, 6, 6]) },
  wrong: [undefined, ...notObject, { images: 5 }, { images: { shape: [1], data: [1] } }, { images: null }],
};
const runs = { right: 1, wrong: notPositive };
const values = { right: new Map(), wrong: notTensors };

const planRows: Readonly<Record<string, Row>> = {
  run: { feeds },
  write: { values },
  read: { names: { right: [], wrong: [...notList, [5]] } },
  explain: { feeds, runs },
  times: { feeds, runs },
  dispose: {},
};

const hostRows: Readonly<Record<string, Row>> = {
  prepare: {
    graph: { right: tinyResnet(), wrong: [undefined, ...notObject, {}, { nodes: [] }] },
    options: required(
      object(
        { batch: 1 },
        {
          batch: notPositive,
          precision: [null, 5, "f64", {}],
          choices: [null, 5, "text", { key: 5 }],
          tuningSeconds: notNumber,
        },
      ),
    ),
  },
  takeCommunicationTimes: {},
  dispose: {},
};

const classifierRows: Readonly<Record<string, Row>> = {
  logits: { images: { right: espalier.tensor([1, 2, 6, 6]), wrong: [undefined, ...notObject, {}] } },
  dispose: {},
};

const placed = espalier.place(tinyResnet(), { neurons: 0.1 });
const controller = new espalier.BudgetController({
  factors: placed.factors,
  model: espalier.costModel(placed.graph, placed.factors, "macs"),
  ...{ share: 0.5, momentum: 0.9, totalRate: 1 },
});
const state: Argument = {
  right: controller.initial(),
  wrong: [undefined, ...notObject, {}, { ...controller.initial(), chosen: 5 }],
};
const seen = { factors: new Map(), velocities: new Map(), progress: 0, learningRate: 0.1, interval: 1 };
const controllerRows: Readonly<Record<string, Row>> = {
  initial: {},
  left: { state, factors: values },
  corrected: { state, factors: values, exact: { right: 1, wrong: [undefined, ...notNumber] } },
  gammas: { state },
  gammaOf: { state, kind: { right: "neuron", wrong: [...notText, "nonsense"] } },
  next: {
    before: state,
    seen: required(
      object(seen, {
        ...{ factors: notTensors, velocities: notTensors },
        ...{ progress: [undefined, ...notNumber], learningRate: [undefined, ...notNumber] },
        interval: [undefined, ...notNumber],
      }),
    ),
  },
};

const loaderRows: Readonly<Record<string, Row>> = { next: {}, dispose: {} };

/** The names of the methods of `object`: its own, or those of its class. */
function methodsOf(object: object): string[] {
  const owner = Object.getPrototypeOf(object) === Object.prototype ? object : Object.getPrototypeOf(object);
  return Object.entries(Object.getOwnPropertyDescriptors<object>(owner))
    .filter(([name, { value }]) => typeof value === "function" && name !== "constructor")
    .map(([name]) => name)
    .toSorted();
}

/** The arguments of a method, with one of them spoilt: its name, and all of them. */
function spoilt(row: Row): [name: string, list: unknown[]][] {
  const names = Object.keys(row);
  const rights = Object.values(row).map(({ right }) => right);
  return Object.values(row).flatMap(({ right, wrong = [], fields = {} }, index): [string, unknown[]][] => {
    const whole = wrong.map((value): [string, unknown] => [names[index] ?? "", value]);
    const parts = Object.entries(fields).flatMap(([field, values]) =>
      values.map((value): [string, unknown] => [field, { ...Object(right), [field]: value }]),
    );
    return [...whole, ...parts].map(([name, value]) => [name, rights.with(index, value)]);
  });
}

async function outcome(object: object, method: string, list: readonly unknown[]): Promise<unknown> {
  try {
    return await Reflect.apply(Reflect.get(object, method), object, list);
  } catch (error) {
    return error;
  }
}

/** Calls each method with each spoilt list; tells which call was not refused, or without the argument's name. */
async function complaintsOf(object: object, rows: Readonly<Record<string, Row>>): Promise<string[]> {
  const complaints: string[] = [];
  for (const [method, row] of Object.entries(rows)) {
    for (const [name, list] of spoilt(row)) {
      const result = await outcome(object, method, list);
      const isNamed = result instanceof Error && new RegExp(`"(\\w+\\.)?${name}"`).test(result.message);
      if (result instanceof espalier.UserError && result.code === "bad-option" && isNamed) continue;
      const given = list.map((value) => (typeof value === "object" ? JSON.stringify(value) : String(value)));
      complaints.push(`${method}, ${name} (${given.join(", ").slice(0, 200)}): ${String(result).slice(0, 200)}`);
    }
  }
  return complaints;
}

function builderWithImages(): graphs.GraphBuilder {
  const builder = new espalier.GraphBuilder("g");
  builder.flatten("flat", builder.input("images", ["N", 2, 6, 6]));
  return builder;
}

const data = tinyDataset(8, 8);
const made: Record<string, object> = {};

beforeAll(async () => {
  const host = await espalier.EngineHost.start({ engine: "reference" });
  const graph = tinyResnet();
  made["plan"] = await host.prepare(graph, { batch: 1 });
  made["classifier"] = await espalier.engineClassifier(host, { graph, weights: espalier.initialize(graph, 1) }, 1);
  made["EngineHost"] = host;
  made["GraphBuilder"] = builderWithImages();
  made["BudgetController"] = controller;
  const { normalization, augmentation } = data;
  made["TrainingLoader"] = new espalier.TrainingLoader({
    ...{ split: data.train, normalization, augmentation, batch: 4, seed: 1 },
  });
});

afterAll(async () => {
  for (const name of ["EngineHost", "TrainingLoader"]) await outcome(made[name] ?? {}, "dispose", []);
});

const rows: Readonly<Record<string, Readonly<Record<string, Row>>>> = {
  BudgetController: controllerRows,
  EngineHost: hostRows,
  GraphBuilder: builderRows,
  TrainingLoader: loaderRows,
  classifier: classifierRows,
  plan: planRows,
};

test("every exported class has rows, and every method of it", async () => {
  const classes = [...(await everyExport())]
    .filter(([name, value]) => String(value).startsWith("class") && !name.endsWith("Error"))
    .map(([name]) => name);
  expect(Object.keys(rows)).toEqual([...classes, "classifier", "plan"].toSorted());
  for (const [name, ofObject] of Object.entries(rows)) {
    expect(Object.keys(ofObject).toSorted(), name).toEqual(methodsOf(made[name] ?? {}));
  }
});

describe("wrong arguments are refused by their name", () => {
  test.each(Object.entries(rows))("by the methods of %s", async (name, ofObject) => {
    expect(await complaintsOf(made[name] ?? {}, ofObject)).toEqual([]);
  });
});

describe("right arguments are taken", () => {
  test.each(Object.entries(builderRows))("by %s", async (method, row) => {
    const list = Object.values(row).map(({ right }) => right);
    expect(await outcome(builderWithImages(), method, list)).not.toBeInstanceOf(Error);
  });
});

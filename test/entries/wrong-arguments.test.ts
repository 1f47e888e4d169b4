/**
 * Every function that the package exports, called as a program without types might: what is wrong is refused by a
 * `UserError` with a code and a hint, never by a TypeError or as a fault of ours. A function without a row here fails.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as datasets from "../../src/entries/datasets.ts";
import * as engine from "../../src/entries/engine.ts";
import * as experiments from "../../src/entries/experiments.ts";
import * as graphs from "../../src/entries/graph.ts";
import * as models from "../../src/entries/models.ts";
import * as onnx from "../../src/entries/onnx.ts";
import * as pruning from "../../src/entries/pruning.ts";
import * as quantization from "../../src/entries/quantization.ts";
import * as top from "../../src/index.ts";
import { referenceHost } from "../evaluation/reference-host.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "../training/tiny.ts";
import { everyExport } from "./exports.ts";

/** Everything that any entry point exports. */
const espalier = {
  ...{ ...top, ...datasets, ...engine, ...experiments, ...graphs, ...models, ...onnx, ...pruning, ...quantization },
};

const nothing = (): void => {};
const notText = [undefined, null, Number.NaN, -1, "", {}, [], nothing, true];
const notOptions = [null, Number.NaN, -1, "", "nonsense", [], nothing, true];
const notObject = [undefined, ...notOptions, {}, { nonsense: 1 }];
const notGraph = [...notObject, { nodes: 5, inputs: [] }];
const notNetwork = [...notObject, { graph: tinyResnet() }, { graph: tinyResnet(), weights: {} }];
const notCount = [undefined, null, Number.NaN, -1, 0.5, "nonsense", {}, [], nothing, Number.POSITIVE_INFINITY];
const notList = [undefined, null, Number.NaN, -1, "nonsense", {}, nothing, [undefined], [5], [""]];
const notTensors = [...notObject, new Map([["a", 5]]), new Map([["a", { shape: [1], data: [1] }]])];

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const nowhere = join(folder, "nowhere");
const graph = tinyResnet();
const weights = espalier.initialize(graph, 1);
const network = { graph, weights };
const data = tinyDataset(8, 8);
const classifier = { batch: 4, logits: nothing, dispose: nothing };
const host = referenceHost();
const cuts = espalier.compact(network).cuts;
const certificate = {
  ...{ original: network, originalFile: "a.onnx", compact: network, compactFile: "b.onnx", kept: new Map() },
  ...{ host, dataset: data },
};

const latencyTable = { format: "espalier-latency-table", layers: [] };

const loading = {
  ...{ split: data.train, normalization: data.normalization, augmentation: data.augmentation, batch: 4, seed: 1 },
};

/** `right` with its argument `index` replaced by each of `wrong`. */
function spoilt(right: readonly unknown[], index: number, wrong: readonly unknown[]): unknown[][] {
  return wrong.map((value) => [...right.slice(0, index), value, ...right.slice(index + 1)]);
}

/** `options` with its field `name` replaced by each of `wrong`. */
function fields(options: object, name: string, wrong: readonly unknown[]): object[] {
  return wrong.map((value) => ({ ...options, [name]: value }));
}

const wrongImages = [{}, { classes: Number.NaN }, { classes: 0 }, { classes: "10" }, { classes: 10, size: -1 }];
const plainModel = spoilt([{}], 0, [...notObject, ...wrongImages]);
const deepModel = [
  ...plainModel,
  ...spoilt([{}], 0, fields({ classes: 10 }, "depth", [undefined, "20", Number.NaN, 21])),
];
const onPath = (...after: readonly unknown[]): unknown[][] => spoilt([nowhere, ...after], 0, notText);

/** By exported name: argument lists, each wrong in one place. Constants and classes of errors have none. */
const rows: Readonly<Record<string, unknown[][]>> = {
  EngineHost: spoilt([{}], 0, [
    ...notObject,
    { engine: "nonsense" },
    ...fields({ engine: "reference" }, "threads", [Number.NaN, -1, 0, "two", nothing, null]),
    ...fields({ engine: "reference" }, "memoryLimit", [Number.NaN, -1, "two", nothing, null]),
  ]),
  BudgetController: spoilt([{}], 0, notObject),
  GraphBuilder: spoilt([""], 0, notText),
  TrainingLoader: [
    ...spoilt([loading], 0, notObject),
    ...Object.keys(loading).flatMap((name) =>
      spoilt([loading], 0, fields(loading, name, [undefined, null, -1, "", {}])),
    ),
  ],
  allocateSplit: [
    ...spoilt([1, [1, 2, 2]], 0, [...notCount, 1e15]),
    ...spoilt([1, [1, 2, 2]], 1, [...notList, [1, 2], [1, 2, -1]]),
  ],
  applyCuts: [...spoilt([network, cuts], 0, notNetwork), ...spoilt([network, cuts], 1, notObject)],
  bake: spoilt([network], 0, notNetwork),
  certify: [
    ...spoilt([certificate], 0, notObject),
    ...Object.keys(certificate).flatMap((name) =>
      spoilt([certificate], 0, fields(certificate, name, [undefined, null, 5, "", {}])),
    ),
  ],
  cifar10: [...spoilt(["x"], 0, notText.slice(1)), ...spoilt(["x", {}], 1, notOptions)],
  cifar100: spoilt(["x"], 0, notText),
  compact: [
    ...spoilt([network], 0, notNetwork),
    ...spoilt([network, {}], 1, [...notOptions, ...fields({}, "round", [Number.NaN, 0, -1, 0.5, "8", null])]),
  ],
  compareRuns: [...spoilt([[""]], 0, notList), [[nowhere]], [[]]],
  compareQuantized: [
    ...spoilt(["a.onnx", "b.onnx", { graph, dataset: data }], 0, notText),
    ...spoilt(["a.onnx", "b.onnx", { graph, dataset: data }], 1, notText),
    ...spoilt(["a.onnx", "b.onnx", { graph, dataset: data }], 2, notObject),
    ...["graph", "dataset"].flatMap((name) =>
      spoilt(["a.onnx", "b.onnx", {}], 2, fields({ graph, dataset: data }, name, [undefined, null, 5, "", {}])),
    ),
    ["nowhere.onnx", "nowhere.onnx", { graph, dataset: data }],
  ],
  control: [...onPath(), [nowhere], ...spoilt([nowhere, {}], 1, notOptions)],
  cost: spoilt([graph], 0, notGraph),
  costModel: [
    ...spoilt([graph, [], "macs"], 0, notGraph),
    ...spoilt([graph, [], "macs"], 1, notList),
    ...spoilt([graph, [], "macs"], 2, [...notText, "watts"]),
  ],
  cutList: spoilt([network], 0, notNetwork),
  datasetReference: [...onPath(), ...spoilt(["x", {}], 1, notOptions)],
  densenet40: plainModel,
  densenet121: plainModel,
  describeBudget: spoilt([{}], 0, notObject),
  engineClassifier: [
    ...spoilt([host, network, 1], 0, notObject),
    ...spoilt([host, network, 1], 1, notNetwork),
    ...spoilt([host, network, 1], 2, [...notCount, 0]),
    ...spoilt([host, network, 1, nothing], 3, [null, 5, "", {}]),
  ],
  factorsOf: [...spoilt([graph], 0, notGraph), ...spoilt([graph, {}], 1, notOptions)],
  fashionMnist: spoilt(["x"], 0, notText.slice(1)),
  fold: spoilt([graph], 0, notGraph),
  formatLayers: [...spoilt([graph], 0, notGraph), ...spoilt([graph, weights], 1, notOptions)],
  gammaFeeds: spoilt([new Map()], 0, notTensors),
  gammasOf: [...spoilt([[]], 0, notList), ...spoilt([[], 1], 1, [null, Number.NaN, "2", {}])],
  imagenetResnet: deepModel,
  imagenetResnext: deepModel,
  imagenetVgg16: plainModel,
  images: [...onPath(), ...spoilt(["x", {}], 1, notOptions)],
  inferShapes: [...spoilt([graph, 1], 0, notGraph), ...spoilt([graph, 1], 1, notCount)],
  initialize: [...spoilt([graph, 1], 0, notGraph), ...spoilt([graph, 1], 1, notCount)],
  keptFactors: spoilt([[]], 0, notList),
  layerRows: [...spoilt([graph], 0, notGraph), ...spoilt([graph, weights], 1, notOptions)],
  loadOnnx: [
    ...onPath(),
    [nowhere],
    ...spoilt([nowhere, {}], 1, notOptions),
    [nowhere, { size: "large" }],
    [nowhere, { outputs: "y" }],
  ],
  loadSafetensors: [...onPath(), [nowhere]],
  measureAccuracy: [
    ...spoilt([classifier, data.test, data.normalization], 0, notObject),
    ...spoilt([classifier, data.test, data.normalization], 1, notObject),
    ...spoilt([classifier, data.test, data.normalization], 2, notObject),
  ],
  formatLatencyTable: spoilt([latencyTable], 0, notObject),
  measureLatencyTable: [
    ...spoilt([graph], 0, notGraph),
    ...spoilt([graph, {}], 1, notOptions),
    ...fields({}, "threads", notCount.slice(1)).map((options) => [graph, options]),
    ...fields({}, "batch", notCount.slice(1)).map((options) => [graph, options]),
  ],
  measureLatency: [
    ...spoilt([[nowhere]], 0, notList),
    [[nowhere]],
    ...spoilt([[nowhere], {}], 1, notOptions),
    ...["batch", "threads", "rounds", "warmUp"].flatMap((name) =>
      spoilt([[nowhere], {}], 1, fields({}, name, [Number.NaN, -1, 0.5, "2", null])),
    ),
  ],
  mnist: spoilt(["x"], 0, notText),
  mobilenetV2: plainModel,
  model: [...onPath(), [nowhere], ...spoilt(["resnet-20", {}], 1, [...notOptions, ...wrongImages.slice(1)])],
  modelDefaults: [...onPath(), [nowhere]],
  openDataset: [
    ...onPath(),
    [nowhere],
    ...spoilt(["cifar10", {}], 1, [...notOptions, ...fields({}, "images", [null, 5, "", { nonsense: 1 }])]),
  ],
  parseLatencyTable: [...spoilt(["{}", "table.json"], 0, notText), ...spoilt(["{}", "table.json"], 1, notText)],
  predictLatency: [...spoilt([graph, latencyTable], 0, notGraph), ...spoilt([graph, latencyTable], 1, notObject)],
  parseBudget: [...spoilt([""], 0, notText), ["nonsense"], ["-5%"], ["0%"], ["101%"]],
  parseCutList: [...onPath(), [nowhere], ["{}"], ["null"]],
  parsePlan: spoilt([{}, "plan"], 0, [...notObject, { model: 5, settings: {}, points: [] }]),
  fastnet: plainModel,
  peleenet: plainModel,
  place: [
    ...spoilt([graph, { neurons: 1 }], 0, notGraph),
    ...spoilt([graph, {}], 1, [...notOptions, undefined, { nonsense: 1 }]),
    ...spoilt([graph, {}], 1, fields({}, "neurons", [Number.NaN, -1, "1", null, {}])),
  ],
  preactResnet: deepModel,
  printCuts: spoilt([cuts], 0, notObject),
  quantize: [
    ...spoilt([network, { host, dataset: data }], 0, notNetwork),
    ...spoilt([network, { host, dataset: data }], 1, notObject),
    ...[
      ...fields({ dataset: data }, "host", [undefined, null, 5, "", {}]),
      ...fields({ host }, "dataset", [undefined, null, 5, "", {}]),
      ...["images", "heldOut"].flatMap((name) =>
        fields({ host, dataset: data }, name, [Number.NaN, 0, -1, 0.5, "8", null]),
      ),
      ...fields({ host, dataset: data }, "keep", [null, 5, "stem.conv", [5], ["nonsense"]]),
      ...fields({ host, dataset: data }, "maxLoss", [Number.NaN, "1", null]),
      ...fields({ host, dataset: data }, "onProgress", [5, null, {}]),
      { host, dataset: data, images: 4 },
    ].map((options) => [network, options]),
  ],
  readEvents: [...onPath(), [nowhere]],
  readOnnx: [
    ...spoilt([new Uint8Array(), "x"], 0, [...notObject, new Uint8Array(), Uint8Array.of(1, 2, 3)]),
    ...spoilt([onnx.writeOnnx(network), "x"], 1, notText),
    ...spoilt([onnx.writeOnnx(network), "x", {}], 2, notOptions),
    ...spoilt([onnx.writeOnnx(network), "x", { read: nothing }, {}], 3, notOptions),
  ],
  readPlan: [...onPath(), [nowhere]],
  recipe: [...onPath(), [nowhere], [`${nowhere}.json`]],
  recipeNames: [],
  recipes: [],
  requireExact: spoilt([{}], 0, notObject),
  resnet: [...deepModel, [{ depth: 20, classes: 10, shortcut: "C" }]],
  resnet164: plainModel,
  resnext: [
    ...deepModel,
    [{ depth: 20, classes: 10, cardinality: 0 }],
    [{ depth: 20, classes: 10, groupWidth: Number.NaN }],
  ],
  resume: [...onPath(), [nowhere], ...spoilt([nowhere, {}], 1, notOptions)],
  saveOnnx: [
    ...spoilt([network, nowhere], 0, notNetwork),
    ...spoilt([network, nowhere], 1, notText),
    ...spoilt([network, nowhere, {}], 2, [...notOptions, ...fields({}, "metadata", [null, 5, { key: 5 }])]),
  ],
  saveSafetensors: [...spoilt([weights, nowhere], 0, notTensors), ...spoilt([weights, nowhere], 1, notText)],
  shareGamma: [
    ...spoilt([graph, [], "macs"], 0, notGraph),
    ...spoilt([graph, [], "macs"], 1, notList),
    ...spoilt([graph, [], "macs"], 2, [...notText, "watts"]),
  ],
  smallMobilenetV2: plainModel,
  stateDictOf: spoilt([network], 0, notNetwork),
  structureCosts: [...spoilt([graph, []], 0, notGraph), ...spoilt([graph, []], 1, notList)],
  summarizeRun: [...onPath(), [nowhere]],
  sweep: [
    ...spoilt([{}], 0, notObject),
    ...spoilt([{ model: "resnet-20", data: "cifar10", settings: {}, points: [{ name: "a" }] }, {}], 1, notOptions),
  ],
  tensor: [
    ...spoilt([[1]], 0, [...notCount.filter((one) => !(Array.isArray(one) && one.length === 0)), [-1], [0.5]]),
    ...spoilt([[2]], 1, [null, [1, 2], new Float32Array(3)]),
  ],
  train: [
    ...spoilt([graph, { data }], 0, [...notObject, "nonsense"]),
    ...spoilt([graph, { data }], 1, [undefined, ...notOptions]),
    ...[
      ...fields({}, "data", [undefined, null, 5, "", {}, nowhere, Promise.resolve({})]),
      ...fields({}, "data", [{ open: async () => ({}) }, { ...data, augmentation: undefined }]),
      ...fields({ data }, "epochs", [Number.NaN, -1, "2", null, {}]),
      ...fields({ data }, "batch", [Number.NaN, 0, -1, "2"]),
      ...fields({ data }, "engine", ["nonsense", 5, null]),
      ...fields({ data }, "select", [5, "nonsense", { nonsense: 1 }, { neurons: Number.NaN }, { neurons: -1 }]),
      ...fields({ data }, "folder", [5, null, {}, ""]),
      ...fields({ data }, "onEvent", [5, null, {}]),
      ...fields({ data }, "nonsense", [5]),
    ].map((options) => [graph, { folder: nowhere, ...options }]),
  ],
  trainingGraph: [...spoilt([graph, {}], 0, notGraph), ...spoilt([graph, {}], 1, notObject)],
  vgg16: plainModel,
  weightsFromStateDict: [
    ...spoilt([graph, new Map(), "x"], 0, notGraph),
    ...spoilt([graph, new Map(), "x"], 1, notTensors),
    ...spoilt([graph, new Map(), "x"], 2, notText),
    [graph, new Map(), "x"],
  ],
  writeComparison: [...onPath({ groups: [], unfinished: [] }), ...spoilt([nowhere, {}], 1, notObject)],
  writeOnnx: [
    ...spoilt([network], 0, notNetwork),
    ...spoilt([network, {}], 1, [
      ...notOptions,
      ...fields({}, "metadata", [null, 5, { key: 5 }]),
      ...fields({}, "quantization", [null, 5, {}, { activations: {} }]),
    ]),
  ],
  writeReport: [...onPath(), [nowhere]],
};

/** What a call with `wrong` arguments ends with. */
async function outcome(name: string, wrong: readonly unknown[]): Promise<unknown> {
  const exported: unknown = Reflect.get(espalier, name);
  try {
    if (name === "EngineHost")
      return await Reflect.apply(Reflect.get(espalier.EngineHost, "start"), espalier.EngineHost, wrong);
    if (typeof exported === "function" && isClass(exported)) return Reflect.construct(exported, wrong);
    if (typeof exported !== "function") return `${name} is no function`;
    return await Reflect.apply(exported, undefined, wrong);
  } catch (error) {
    return error;
  }
}

function isClass(exported: object): boolean {
  return String(exported).startsWith("class");
}

test("every exported function has a row", async () => {
  const functions = [...(await everyExport())]
    .filter(([name, value]) => typeof value === "function" && !name.endsWith("Error"))
    .map(([name]) => name);
  expect(Object.keys(rows).toSorted()).toEqual(functions.toSorted());
});

describe("wrong arguments", () => {
  beforeAll(() => process.chdir(folder));
  afterAll(() => process.chdir("/"));

  test.each(Object.entries(rows))("of %s are refused with a code and a hint", async (name, lists) => {
    const complaints: string[] = [];
    for (const wrong of lists) {
      const result = await outcome(name, wrong);
      const isRefused = result instanceof espalier.UserError && result.details.hint !== "";
      if (isRefused) continue;
      const given = wrong.map((value) =>
        typeof value === "object" ? JSON.stringify(value)?.slice(0, 80) : String(value),
      );
      complaints.push(
        `${name}(${given.join(", ")}): ${result instanceof Error ? result.stack?.slice(0, 300) : typeof result}`,
      );
    }
    expect(complaints).toEqual([]);
  });
});

/** The format of latency tables: an example as another tool would write it, and tables that are wrong. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { LatencyPredictor } from "../../src/latency/predict.ts";
import { describeTable, formatLatencyTable, parseLatencyTable } from "../../src/latency/table.ts";
import { model } from "../../src/models/zoo.ts";

const example = readFileSync(new URL("./tflite-phone.json", import.meta.url), "utf8");

describe("a table that a script filled in for another runtime", () => {
  const table = parseLatencyTable(example, "tflite-phone.json");

  test("has all layers of the network it is for", () => {
    const graph = model("resnet-20");
    new LatencyPredictor(table).requireLayers(graph, "tflite-phone.json");
    expect(new LatencyPredictor(table).run(graph)).toBeGreaterThan(1);
    expect(describeTable(table)).toBe("Pixel 7, TensorFlow Lite 2.16.1 (xnnpack), 2 threads");
  });

  test("may have times of unaligned widths in version 2", () => {
    const [layer, ...others] = whole.layers;
    const unaligned = { outputs: [16], inputs: [17, 19], milliseconds: [[1, 2]] };
    const newer = { ...whole, version: 2, inputAlignment: 4, layers: [{ ...layer, unaligned }, ...others] };
    expect(parseLatencyTable(JSON.stringify(newer), "newer")).toEqual(newer);
  });

  test("is the same after it is written and read", () => {
    expect(parseLatencyTable(formatLatencyTable(table), "copy")).toEqual(table);
    // A layer a line.
    expect(
      formatLatencyTable(table)
        .split("\n")
        .filter((line) => line.includes('"layer":')),
    ).toHaveLength(table.layers.length);
  });
});

const whole = JSON.parse(example);
const first = whole.layers[0];

test.each([
  ["no JSON", "{", /it is not JSON/],
  ["nothing", "null", /expected object/],
  ["another format", JSON.stringify({ ...whole, format: "x" }), /format/],
  ["a later version", JSON.stringify({ ...whole, version: 3 }), /version/],
  ["no threads", JSON.stringify({ ...whole, threads: 0 }), /threads/],
  ["no layers", JSON.stringify({ ...whole, layers: [] }), /layers/],
  ["a misspelt field", JSON.stringify({ ...whole, chanelBlock: 4 }), /chanelBlock/],
  ["a row too few", spoil({ milliseconds: first.milliseconds.slice(1) }), /layers\.0.*a row for each of outputs/],
  [
    "a number too few in a row",
    spoil({ milliseconds: first.milliseconds.map(() => []) }),
    /a number for each of inputs/,
  ],
  [
    "a negative time",
    spoil({ milliseconds: first.milliseconds.map((row: number[]) => row.map(() => -1)) }),
    /layers\.0/,
  ],
  [
    "a time that sums to infinity",
    spoil({ milliseconds: first.milliseconds.map((row: number[]) => row.map(() => 1e308)) }),
    /layers\.0/,
  ],
  [
    "unaligned times without rows",
    spoil({ unaligned: { outputs: [16], inputs: [17], milliseconds: [] } }),
    /layers\.0.*a row for each of outputs/,
  ],
  ["an alignment of 0", JSON.stringify({ ...whole, inputAlignment: 0 }), /inputAlignment/],
  ["a layer twice", JSON.stringify({ ...whole, layers: [...whole.layers, first] }), /a layer is there twice/],
  ["a device whose name moves the cursor", JSON.stringify({ ...whole, device: "\u001b[2JPixel" }), /device: control/],
  ["widths that fall", spoil({ outputs: [32, 16] }), /must ascend/],
])("a table with %s is refused, and the message says why", (_, json, reason) => {
  let message = "";
  try {
    parseLatencyTable(json, "table.json");
  } catch (error) {
    message = error instanceof Error ? error.message : "";
  }
  expect(message).toMatch(/^table\.json: is not a latency table/);
  expect(message).toMatch(reason);
  expect(message).toMatch(/espalier measure/);
});

/** The example with other fields in its first layer. */
function spoil(fields: object): string {
  return JSON.stringify({ ...whole, layers: [{ ...first, ...fields }, ...whole.layers.slice(1)] });
}

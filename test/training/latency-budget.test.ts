/** Runs with a budget of latency, on a table whose times follow a formula: nothing here is timed. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { predictLatency } from "../../src/latency/predict.ts";
import { formatLatencyTable, parseLatencyTable } from "../../src/latency/table.ts";
import { model } from "../../src/models/zoo.ts";
import { resume } from "../../src/training/resume.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { tableOf } from "../latency/tables.ts";
import { temporaryFolder, tinyDataset, tinyResnet, trainTiny } from "./tiny.ts";

const graph = tinyResnet();
const table = tableOf(graph, (outputs, inputs) => 0.01 + outputs * 0.01 + outputs * inputs * 0.02);

function tableFile(content: string = formatLatencyTable(table)): string {
  const file = join(temporaryFolder(), "table.json");
  writeFileSync(file, content);
  return file;
}

const options = {
  data: tinyDataset(),
  engine: "reference",
  epochs: 8,
  batch: 8,
  schedule: { kind: "one-cycle", peak: 0.05 },
  latency: false,
  budget: "65%-latency",
} satisfies TrainOptions;

test("ends near its budget, and says what it predicts and for what", async () => {
  const { run, events } = await trainTiny({ ...options, select: { neurons: 1 }, latencyTable: tableFile() });
  const [whole, left] = [predictLatency(graph, table), predictLatency(run.compact.graph, table)];
  expect(Math.abs(left / whole - 0.65)).toBeLessThan(0.08);
  const [started] = events;
  expect(started).toMatchObject({ type: "run.started", cost: { latency: whole } });
  expect(events.find(({ type }) => type === "notice")).toMatchObject({ message: /^Latency is predicted for: a made/ });
  const standings = events.filter((event) => event.type === "budget");
  expect(standings.at(-1)).toMatchObject({ of: "latency", share: 0.65 });
  expect(standings.at(-1)?.left).toBeCloseTo(left / whole, 2);
  const cost = events.findLast((event) => event.type === "epoch")?.cost;
  expect(cost?.latency).toBeCloseTo(left, 5);
});

test("goes on bit for bit after a break, without the table's file", async () => {
  const file = tableFile();
  const whole = await trainTiny({ ...options, latencyTable: file });
  const folder = join(temporaryFolder(), "run");
  const controller = new AbortController();
  const stopped = train(tinyResnet(), {
    ...{ ...options, latencyTable: file, folder, signal: controller.signal },
    onEvent: ({ step }) => {
      if (step >= 37) controller.abort();
    },
  });
  await expect(stopped).rejects.toMatchObject({ code: "interrupted" });
  rmSync(file);
  expect(existsSync(join(folder, "latency.json"))).toBe(true);
  const resumed = await resume(folder, { data: tinyDataset() });
  expect(resumed.network.weights).toEqual(whole.run.network.weights);
});

test("keeps widths that the runtime computes at once, and γ by latency needs no budget", async () => {
  const inPairs = { ...table, channelBlock: 2 };
  const file = tableFile(formatLatencyTable(inPairs));
  const { run } = await trainTiny({ ...options, select: { neurons: 1 }, latencyTable: file });
  const widths = run.compact.graph.parameters.flatMap(({ kind, shape }) =>
    kind === "weights" && shape.length === 4 ? [shape[0] ?? 0] : [],
  );
  expect(widths.every((width) => width % 2 === 0)).toBe(true);
  const { budget: _, ...plain } = options;
  const told = await trainTiny({
    ...plain,
    epochs: 1,
    select: { neurons: 0.01 },
    gammaBy: "latency",
    latencyTable: file,
  });
  expect(told.events[0]).toMatchObject({ type: "run.started", cost: { latency: predictLatency(graph, inPairs) } });
});

describe("is refused before anything is written", () => {
  test.each([
    [
      "with a table of another network",
      { latencyTable: tableFile(formatLatencyTable(tableOf(model("vgg-16"), () => 1))) },
      "bad-option",
      /no times of some layers/,
    ],
    ["without the table's file", { latencyTable: "/nowhere/table.json" }, "missing-file", /no such file/],
    ["with a file that is no table", { latencyTable: tableFile("{}") }, "bad-file", /not a latency table/],
    [
      "below what can be reached",
      { latencyTable: tableFile(), budget: "0.51ms" },
      "bad-option",
      /below what is left.*ms/,
    ],
    [
      "above the whole",
      { latencyTable: tableFile(), budget: "100s" },
      "bad-option",
      /larger than the network's cost.*ms/,
    ],
  ])("%s", async (_, overrides, code, message) => {
    const folder = join(temporaryFolder(), "run");
    const failed = train(tinyResnet(), { ...options, ...overrides, folder });
    await expect(failed).rejects.toMatchObject({ code, message });
    expect(existsSync(folder)).toBe(false);
  });
});

test("a table is the same whichever way it is written", () => {
  expect(parseLatencyTable(formatLatencyTable(table), "table")).toEqual(table);
});

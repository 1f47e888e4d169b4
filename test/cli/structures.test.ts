import { describe, expect, test } from "vitest";
import { selectionFor } from "../../src/cli/selection.ts";
import { reportStructures } from "../../src/cli/structures.ts";
import { nameRanges } from "../../src/cli/view/name-ranges.ts";
import { structureLines } from "../../src/cli/view/structures.ts";
import { cost } from "../../src/graph/cost.ts";
import { initialize } from "../../src/models/initialize.ts";
import { model } from "../../src/models/zoo.ts";
import { place } from "../../src/selection/place.ts";
import { dense, postActivation } from "../pruning/families.ts";
import { execute, recordingTerminal } from "./support.ts";

const resnet = (depth: number) => model(`resnet-${depth}`, { classes: 10 });

describe("inspect --structures", () => {
  test("as JSON: what would be scaled, what it costs, what goes with it, and what cannot be", async () => {
    const { exitCode, stdout } = await execute(["inspect", "resnet-20", "--structures", "--json"]);
    expect(exitCode).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.cost).toEqual(cost(resnet(20)));
    expect(report.kinds.map(({ kind, count }: { kind: string; count: number }) => [kind, count])).toEqual([
      ["neuron", 336],
      ["block", 9],
      ["stream", 64],
    ]);
    expect(report.factors.find(({ layer }: { layer: string }) => layer === "stage3.block1.conv1")).toEqual({
      layer: "stage3.block1.conv1",
      kind: "neuron",
      count: 64,
      each: [{ first: 0, count: 64, macs: (32 * 9 + 64 * 9) * 64, parameters: 32 * 9 + 2 + 64 * 9 }],
      all: { macs: 64 * (32 * 9 + 64 * 9) * 64, parameters: 64 * (32 * 9 + 2 + 64 * 9) },
      outputsOf: ["stage3.block1.conv1"],
      inputsOf: ["stage3.block1.conv2"],
    });
    const stream = report.factors.find(({ kind }: { kind: string }) => kind === "stream");
    expect(stream.keeps).toEqual([24, 40]);
    // Channels of the last stage, of the last two, of all, and the same mirrored: padded on both sides.
    expect(stream.each.map(({ first, count }: { first: number; count: number }) => [first, count])).toEqual([
      [0, 16],
      [16, 8],
      [24, 16],
      [40, 8],
      [48, 16],
    ]);
    expect(report.refused).toEqual([{ layers: ["classifier"], reason: "its channels are the network's outputs" }]);
  });

  test("in lines: repeated layers share a row, however deep the network", () => {
    const { terminal } = recordingTerminal({ columns: 100 });
    const lines = structureLines(reportStructures({ graph: resnet(110), weights: new Map() }), terminal);
    expect(lines.length).toBeLessThan(45);
    expect(lines.every((line) => line.length <= 100)).toBe(true);
    expect(lines.join("\n")).toMatch(/stage1\.block1…18\.conv1 +18 × 16 +294,912 +290/);
    expect(lines.join("\n")).toMatch(/one of 24…39 always stays/);
    expect(lines.at(-1)).toBe("  classifier: its channels are the network's outputs");
  });

  test("of a network with factors: its own", () => {
    const { graph } = place(postActivation("B"), { blocks: 0.1 });
    const report = reportStructures({ graph, weights: initialize(graph, 1) });
    expect(report.kinds).toHaveLength(1);
    expect([report.factors.length, report.refused]).toEqual([6, []]);
  });
});

test("names that are counted through are written as ranges", () => {
  expect(nameRanges(["a1.b1", "a1.b2", "a1.b3", "a2.b1", "a2.b2", "a2.b3"])).toEqual(["a1…2.b1…3"]);
  expect(nameRanges(["a1.b1", "a1.b2", "a2.b1"])).toEqual(["a1.b1…2", "a2.b1"]);
  expect(nameRanges(["conv1", "conv3", "stem", "conv4"])).toEqual(["conv1", "conv3…4", "stem"]);
  expect(nameRanges([])).toEqual([]);
});

describe("the kinds that --gamma means", () => {
  test("one number: the paper's; streams by name, or where there is nothing else", async () => {
    expect(selectionFor("resnet-20", { all: 0.01 })).toEqual({ neurons: 0.01, blocks: 0.01 });
    expect(selectionFor("resnet-20", { all: 0.01, streams: 0.002 })).toEqual({
      neurons: 0.01,
      blocks: 0.01,
      streams: 0.002,
    });
    expect(place(dense(false), { streams: 0.1 }).factors).toHaveLength(2);
  });

  test("a kind the network lacks is refused before any training, with those it has", async () => {
    const { exitCode, stderr } = await execute(["train", "vgg-16", "--gamma-streams", "0.1", "--data", "nowhere"]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/vgg-16 has no streams to select.*\n +It has: neurons/);
  });
});

/** A run with streams, γ by cost and rounded widths, from its settings to its files. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { inferShapes } from "../../src/graph/shapes.ts";
import { place } from "../../src/selection/place.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyResnet, tinyShape } from "./tiny.ts";

const options = { data: tinyDataset(), engine: "reference", batch: 16, latency: false } as const;

/** Two stages with a zero-padded shortcut between them: 4 channels of 8 run through both. */
function paddedResnet(): Graph {
  const b = new GraphBuilder("padded");
  let stream = b.convolution("stem", b.input("images", ["N", ...tinyShape]), { channels: 4, kernel: 3, padding: 1 });
  stream = b.relu("relu", b.batchNormalization("norm", stream));
  for (const [unit, channels] of [4, 8].entries()) {
    const name = `unit${unit + 1}`;
    let branch = b.relu(
      `${name}.relu1`,
      b.batchNormalization(
        `${name}.norm1`,
        b.convolution(`${name}.conv1`, stream, { channels: 5, kernel: 3, padding: 1 }),
      ),
    );
    branch = b.batchNormalization(
      `${name}.norm2`,
      b.convolution(`${name}.conv2`, branch, { channels, kernel: 3, padding: 1 }),
    );
    const shortcut = channels === 4 ? stream : b.pad(`${name}.pad`, stream, [0, 2, 0, 0], [0, 2, 0, 0]);
    stream = b.relu(`${name}.relu2`, b.add(`${name}.add`, branch, shortcut));
  }
  b.output(b.linear("classifier", b.flatten("flatten", b.globalAveragePooling("pool", stream)), 3));
  return b.build();
}

async function trained(graph: Graph, folder: string, more: Partial<TrainOptions>) {
  const path = join(folder, "run");
  const run = await train(graph, { ...options, epochs: 5, ...more, folder: path });
  return { run, record: await readRunRecord(path), events: await readEvents(path) };
}

test("streams are driven to zero and cut, with the certificate", async () => {
  const { run, record, events } = await trained(paddedResnet(), temporaryFolder(), {
    select: { neurons: 0.3, streams: 0.3 },
    gammaBy: "parameters",
    round: 2,
  });
  expect(run.certificate.passed).toBe(true);
  expect(run.after.macs).toBeLessThan(run.before.macs);
  const stream = record.factors.find(({ kind }) => kind === "stream");
  expect(record.settings).toMatchObject({ gammaBy: "parameters", round: 2, select: { neurons: 0.3, streams: 0.3 } });
  expect(stream).toMatchObject({ gamma: 0.3, count: 8, keepLast: true, keepRun: [2, 6] });
  expect(stream?.gammaScale).toHaveLength(8);
  const cut = events.find(({ type }) => type === "cut");
  expect(cut).toMatchObject({
    layers: expect.arrayContaining([expect.objectContaining({ kind: "stream", count: 8 })]),
  });
  const gone = events.filter((event) => event.type === "structure.zeroed" && event.kind === "stream");
  expect(gone.length).toBeGreaterThan(0);
  const shapes = inferShapes(run.compact.graph, 1);
  for (const {
    name,
    op,
    outputs: [dst = ""],
  } of run.compact.graph.nodes) {
    const width = shapes.get(dst)?.[1] ?? 0;
    if (op === "convolution") expect(width % 2 === 0 || width === 5, `${name} is ${width} wide`).toBe(true);
  }
});

test("however strong γ is, one channel of the first stage stays", async () => {
  const { run, events } = await trained(paddedResnet(), temporaryFolder(), { select: { streams: 50 }, epochs: 2 });
  const factor = run.network.weights.get("unit1.add.stream.factor")?.data ?? [];
  expect([...factor.slice(2, 6)].filter((value) => value !== 0)).toHaveLength(1);
  expect([...factor].filter((value) => value !== 0)).toHaveLength(1);
  expect(run.certificate.passed).toBe(true);
  const reasons = events.flatMap((event) => (event.type === "warning" ? [event.reason] : []));
  expect(reasons).toContain("accuracy-collapsed");
});

test("a γ that takes nothing is warned of", async () => {
  const { events } = await trained(tinyResnet(), temporaryFolder(), { select: { neurons: 1e-6 }, epochs: 3 });
  expect(events.filter(({ type }) => type === "warning")).toMatchObject([{ reason: "nothing-zero", epoch: 3 }]);
});

test("a kind that a network lacks is refused, with factors already placed too", async () => {
  const folder = join(temporaryFolder(), "run");
  const wrong = { ...options, epochs: 1, folder, select: { groups: 0.1 } };
  await expect(train(tinyResnet(), wrong)).rejects.toThrow(/has no groups to select.*It has: neurons, blocks, streams/);
  const { graph } = place(tinyResnet(), { blocks: 0.1 });
  await expect(train(graph, wrong)).rejects.toThrow(/has no groups to select.*It has: blocks/);
});

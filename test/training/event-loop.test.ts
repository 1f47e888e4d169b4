/** That the thread of the caller does nothing long while a run trains, and that what it waits for is told. */
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { EventLoopWatch } from "../../src/training/progress/event-loop.ts";
import { Throughput } from "../../src/training/progress/throughput.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyShape } from "./tiny.ts";

test("a loop that is held up is seen, once", async () => {
  const watch = new EventLoopWatch();
  watch.start();
  await sleep(30);
  watch.takeLongest();
  const end = performance.now() + 120;
  while (performance.now() < end);
  const held = watch.takeLongest();
  expect(held).toBeGreaterThan(100);
  expect(watch.longest).toBeGreaterThanOrEqual(held);
  watch.stop();
});

test("waits are counted by step, epoch and session", () => {
  const throughput = new Throughput(10);
  throughput.start();
  throughput.add(20, 0);
  throughput.add(40, 8);
  expect(throughput.report()).toMatchObject({ waitMilliseconds: 4, waits: 1, imagesPerSecond: 20_000 / 60 });
  throughput.add(20, 0);
  throughput.add(20, 4);
  expect(throughput.report()).toMatchObject({ waitMilliseconds: 2, waits: 1 });
  expect(throughput.endEpoch()).toEqual({ waitMilliseconds: 3, waits: 2 });
  throughput.add(20, 0);
  expect(throughput.endEpoch()).toEqual({ waitMilliseconds: 0, waits: 0 });
  expect(throughput.session).toEqual({ steps: 5, milliseconds: 120, waits: 2, waitedMilliseconds: 12 });
});

/** A network of half a million weights in one layer, most of its file. */
function wideNetwork(): Graph {
  const builder = new GraphBuilder("wide");
  const flat = builder.flatten("flatten", builder.input("images", ["N", ...tinyShape]));
  const hidden = builder.relu("relu1", builder.linear("hidden", flat, 1024));
  const narrow = builder.relu("relu2", builder.linear("narrow", hidden, 512));
  builder.output(builder.linear("classifier", narrow, 3));
  return builder.build();
}

/**
 * All typed arrays' own prototype: what copies or searches them on this thread goes through it. Other threads have
 * theirs.
 */
const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype);
const watched = ["set", "slice", "map", "find", "findIndex", "every", "some", "reduce", "fill"] as const;
const originals = watched.map((name) => [name, Object.getOwnPropertyDescriptor(typedArray, name)] as const);

afterEach(() => {
  for (const [name, descriptor] of originals) if (descriptor) Object.defineProperty(typedArray, name, descriptor);
});

/** Calls `onPass` with the bytes of every typed array that this thread copies, fills or goes through. */
function watchPasses(onPass: (bytes: number) => void): void {
  for (const [name, descriptor] of originals) {
    const original = descriptor?.value;
    if (typeof original !== "function") throw new Error(`typed arrays have no ${name}`);
    Object.defineProperty(typedArray, name, {
      ...descriptor,
      value(this: ArrayBufferView, ...rest: readonly unknown[]): unknown {
        const [source] = rest;
        onPass(name === "set" && ArrayBuffer.isView(source) ? source.byteLength : this.byteLength);
        return Reflect.apply(original, this, rest);
      },
    });
  }
}

test("no pass over the weights is made on the caller's thread from the first step to the last event", async () => {
  const folder = join(temporaryFolder(), "run");
  let largest = 0;
  const run = await train(wideNetwork(), {
    data: tinyDataset(48, 20),
    engine: "reference",
    epochs: 3,
    batch: 16,
    select: { neurons: 0.2 },
    shrink: { patience: 0.5, rebuildSteps: 0 },
    folder,
    onEvent: ({ type }) => {
      if (type !== "run.started") return;
      watchPasses((bytes) => {
        largest = Math.max(largest, bytes);
      });
    },
  });
  const events = await readEvents(folder);
  const weightBytes = 1024 * 512 * 4;
  expect(run.before.bytes).toBeGreaterThan(weightBytes);
  expect(events.filter(({ type }) => type === "checkpoint").length).toBeGreaterThanOrEqual(4);
  expect(largest).toBeGreaterThan(0);
  expect(largest).toBeLessThan(weightBytes / 8);
});

test("every report says how long the loop was held up and how many batches were late", async () => {
  const folder = join(temporaryFolder(), "run");
  await train(wideNetwork(), { data: tinyDataset(48, 20), engine: "reference", epochs: 2, batch: 16, folder });
  const events = await readEvents(folder);
  const epochs = events.filter((event) => event.type === "epoch");
  const finished = events.find((event) => event.type === "run.finished");
  expect(epochs).toHaveLength(2);
  expect(finished).toMatchObject({ steps: 6, waits: epochs.reduce((sum, { waits }) => sum + waits, 0) });
  const longest = Math.max(...epochs.map(({ blockedMilliseconds }) => blockedMilliseconds));
  expect(finished?.blockedMilliseconds).toBeGreaterThanOrEqual(longest);
  for (const event of events) {
    if (event.type === "step")
      expect(event.blockedMilliseconds).toBeLessThanOrEqual(finished?.blockedMilliseconds ?? 0);
  }
});

/** Prepared and disposed a thousand times, plans leave memory where it was. */
import { describe, expect, it } from "vitest";
import { trainingGraph } from "../../../src/autodiff/training-graph.ts";
import { filled } from "../../../src/core/tensor.ts";
import type { EngineSpec } from "../../../src/engine/create.ts";
import { EngineHost } from "../../../src/engine/host.ts";
import { type Calls, type OneDnn, oneDnn } from "../../../src/engine/onednn/ffi/library.ts";
import { createOneDnnEngine } from "../../../src/engine/onednn/index.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/graph.ts";
import { initialize } from "../../../src/models/initialize.ts";

const BATCH = 4;
const CYCLES = 1000;
/** Cycles before memory is looked at: caches fill up (oneDNN keeps 1,024 primitives), the heap finds its size. */
const WARM_UP = 100;

function forward(): Graph {
  const builder = new GraphBuilder("small");
  let value = builder.input("images", ["N", 3, 24, 24]);
  value = builder.convolution("conv", value, { channels: 16, kernel: 3, padding: 1 });
  value = builder.relu("relu", builder.batchNormalization("norm", value));
  value = builder.maxPooling("pool", value, { kernel: 2, strides: 2 });
  builder.output(builder.linear("linear", builder.flatten("flat", value), 5));
  return builder.build();
}

const network = forward();
const graph = trainingGraph(network, {
  batch: BATCH,
  sgd: { momentum: 0.9, weightDecay: 1e-3 },
  factors: { momentum: 0.9, keepLast: new Set() },
});
const weights = initialize(network, 1);
const feeds = {
  images: filled([BATCH, 3, 24, 24], 0.5),
  labels: { dtype: "i32", shape: [BATCH], data: Int32Array.of(0, 1, 2, 3) },
  learning_rate: filled([], 0.1),
} as const;

/** Calls that make something native, and those that end it. */
const pairs = {
  memory: [["alignedAllocate"], ["free"]],
  primitives: [["primitiveCreate"], ["primitiveDestroy"]],
  "memory objects": [["memoryCreate"], ["memoryDestroy"]],
  descriptors: [["iteratorFetch", "reorderCreate", "concatCreate"], ["primitiveDescDestroy"]],
  iterators: [["iteratorCreate"], ["iteratorDestroy"]],
  attributes: [["attrCreate"], ["attrDestroy"]],
  "post-ops": [["postOpsCreate"], ["postOpsDestroy"]],
} as const satisfies Readonly<Record<string, readonly [readonly (keyof Calls)[], readonly (keyof Calls)[]]>>;

/** The library, and how many of each native thing were made through it and are not ended. */
function counting(): { readonly library: OneDnn; readonly open: () => Record<string, number> } {
  const library = oneDnn();
  const counts = new Map<keyof Calls, number>();
  const counted = Object.fromEntries(
    Object.values(pairs)
      .flat(2)
      .map((name) => [
        name,
        (...parameters: never[]) => {
          const result = (library.calls[name] as (...values: never[]) => unknown)(...parameters);
          // What the library refuses to list implementations of leaves nothing to end.
          const isMade = name !== "iteratorCreate" || result === 0;
          if (isMade) counts.set(name, (counts.get(name) ?? 0) + 1);
          return result;
        },
      ]),
  );
  const sum = (names: readonly (keyof Calls)[]): number =>
    names.reduce((total, name) => total + (counts.get(name) ?? 0), 0);
  return {
    library: { ...library, calls: { ...library.calls, ...counted } },
    open: () =>
      Object.fromEntries(Object.entries(pairs).map(([what, [made, ended]]) => [what, sum(made) - sum(ended)])),
  };
}

it("ends every native thing that it made, also where it times kernels and where it refuses", () => {
  const { library, open } = counting();
  const engine = createOneDnnEngine({ threads: 1, library });
  const none = Object.fromEntries(Object.keys(pairs).map((what) => [what, 0]));
  const plan = engine.prepare(graph, { batch: BATCH });
  plan.write(weights);
  plan.run(feeds);
  plan.explain(feeds, 1);
  plan.read(graph.parameters.map(({ name }) => name));
  expect(open()).not.toEqual(none);
  plan.dispose();
  expect(open()).toEqual(none);
  const narrow = createOneDnnEngine({ threads: 1, library, memoryLimit: 1000 });
  expect(() => narrow.prepare(graph, { batch: BATCH })).toThrow(/Not even a batch of 1 fits/);
  expect(open()).toEqual(none);
});

describe("memory after a thousand plans is where it was", () => {
  /** Bytes of the process after `cycle` was repeated, less those before; the heap is looked at after it is swept. */
  async function growth(cycle: () => Promise<void> | void): Promise<number> {
    for (let round = 0; round < WARM_UP; round++) await cycle();
    const before = process.memoryUsage.rss();
    for (let round = 0; round < CYCLES; round++) await cycle();
    return process.memoryUsage.rss() - before;
  }

  it("in this thread, with weights written, a step run and results read", async () => {
    const engine = createOneDnnEngine({ threads: 1 });
    const first = engine.prepare(graph, { batch: BATCH });
    const { choices, bytes } = first;
    first.dispose();
    const grown = await growth(() => {
      const plan = engine.prepare(graph, { batch: BATCH, choices });
      plan.write(weights);
      plan.run(feeds);
      plan.dispose();
    });
    // A thousand plans that were not freed would hold this much; the heap may well take some more pages.
    expect(CYCLES * bytes).toBeGreaterThan(150 * 2 ** 20);
    expect(grown).toBeLessThan(40 * 2 ** 20);
  });

  it.each<EngineSpec>([{ engine: "onednn", threads: 1 }, { engine: "reference" }])(
    "through a thread: $engine",
    async (spec) => {
      const host = await EngineHost.start(spec);
      const first = await host.prepare(graph, { batch: BATCH });
      const { choices } = first;
      await first.dispose();
      const grown = await growth(async () => {
        const plan = await host.prepare(graph, { batch: BATCH, choices });
        await plan.dispose();
      });
      await host.dispose();
      expect(grown).toBeLessThan(40 * 2 ** 20);
    },
  );
});

describe("a disposed plan in a thread", () => {
  it.each<EngineSpec>([{ engine: "onednn", threads: 1 }, { engine: "reference" }])(
    "refuses every call: $engine",
    async (spec) => {
      const host = await EngineHost.start(spec);
      const plan = await host.prepare(graph, { batch: BATCH });
      await plan.dispose();
      for (const call of [
        () => plan.run(feeds),
        () => plan.write(weights),
        () => plan.read([]),
        () => plan.explain(feeds, 1),
        () => plan.dispose(),
      ]) {
        await expect(call()).rejects.toMatchObject({ name: "UserError", code: "use-after-dispose" });
      }
      await host.dispose();
    },
  );
});

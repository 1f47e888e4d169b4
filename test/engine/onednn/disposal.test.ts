/** Prepared and disposed a thousand times, plans leave memory where it was. */
import { describe, expect, it } from "vitest";
import { trainingGraph } from "../../../src/autodiff/training-graph.ts";
import { filled } from "../../../src/core/tensor.ts";
import type { EngineSpec } from "../../../src/engine/create.ts";
import type { KernelChoices } from "../../../src/engine/engine.ts";
import { EngineHost } from "../../../src/engine/host.ts";
import { type OneDnn, openOneDnn } from "../../../src/engine/onednn/ffi/library.ts";
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

/** C functions that make something native, and those that end it, in oneDNN 2 or 3. */
const pairs = {
  memory: [/^aligned_alloc$/, /^free$/],
  primitives: [/^dnnl_primitive_create$/, /^dnnl_primitive_destroy$/],
  "memory objects": [/^dnnl_memory_create$/, /^dnnl_memory_destroy$/],
  descriptors: [/_primitive_desc_create$|_iterator_fetch$|_primitive_desc_clone$/, /^dnnl_primitive_desc_destroy$/],
  iterators: [/_iterator_create$/, /_iterator_destroy$/],
  attributes: [/^dnnl_primitive_attr_create$/, /^dnnl_primitive_attr_destroy$/],
  // Equal layouts are one descriptor, which is kept: another plan of the same graph makes none.
  "memory descriptors": [/^dnnl_memory_desc_(create_\w+|clone)$/, /^dnnl_memory_desc_destroy$/],
  "post-ops": [/^dnnl_post_ops_create$/, /^dnnl_post_ops_destroy$/],
} as const satisfies Readonly<Record<string, readonly [made: RegExp, ended: RegExp]>>;

/** The library, and how many of each native thing were made through it and are not ended. */
function counting(): { readonly library: OneDnn; readonly open: () => Record<string, number> } {
  const counts = new Map<string, number>();
  const library = openOneDnn((name, call) => {
    if (typeof call !== "function") return call;
    return new Proxy(call, {
      apply: (target, self, parameters) => {
        const result: unknown = Reflect.apply(target, self, parameters);
        // A status other than success made nothing.
        if (typeof result !== "number" || result === 0) counts.set(name, (counts.get(name) ?? 0) + 1);
        return result;
      },
    });
  });
  // The library's own attributes live as long as it does.
  counts.clear();
  const sum = (pattern: RegExp): number =>
    [...counts].reduce((total, [name, count]) => total + (pattern.test(name) ? count : 0), 0);
  return {
    library,
    open: () =>
      Object.fromEntries(Object.entries(pairs).map(([what, [made, ended]]) => [what, sum(made) - sum(ended)])),
  };
}

it("ends every native thing that it made, also where it times kernels and where it refuses", () => {
  const { library, open } = counting();
  const engine = createOneDnnEngine({ threads: 1, library });
  const left = (): Record<string, number> => {
    const { "memory descriptors": _, ...others } = open();
    return others;
  };
  const none = Object.fromEntries(Object.keys(left()).map((what) => [what, 0]));
  const use = (choices: KernelChoices = {}): KernelChoices => {
    const plan = engine.prepare(graph, { batch: BATCH, choices });
    plan.write(weights);
    plan.run(feeds);
    plan.explain(feeds, 1);
    plan.read(graph.parameters.map(({ name }) => name));
    expect(left()).not.toEqual(none);
    plan.dispose();
    return plan.choices;
  };
  const choices = use();
  expect(left()).toEqual(none);
  use(choices);
  const before = open();
  use(choices);
  expect(open()).toEqual(before);
  const narrow = createOneDnnEngine({ threads: 1, library, memoryLimit: 1000 });
  expect(() => narrow.prepare(graph, { batch: BATCH })).toThrow(/Not even a batch of 1 fits/);
  expect(left()).toEqual(none);
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
    expect(grown).toBeLessThan(50 * 2 ** 20);
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
      expect(grown).toBeLessThan(50 * 2 ** 20);
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

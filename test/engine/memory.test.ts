import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { trainingGraph } from "../../src/autodiff/training-graph.ts";
import { optional } from "../../src/core/optional.ts";
import { createEngine, type EngineName } from "../../src/engine/create.ts";
import type { Precision } from "../../src/engine/engine.ts";
import { EngineHost } from "../../src/engine/host.ts";
import { largestBatch } from "../../src/engine/memory-check.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { resnet } from "../../src/models/resnet.ts";
import { errorOf } from "./plan-contract.ts";

function network(): Graph {
  const builder = new GraphBuilder("small");
  let value = builder.input("images", ["N", 3, 12, 12]);
  for (const name of ["a", "b", "c"]) {
    const convolved = builder.convolution(name, value, { channels: 24, kernel: 3, padding: 1 });
    value = builder.relu(`${name}.relu`, builder.batchNormalization(`${name}.norm`, convolved));
  }
  builder.output(builder.linear("linear", builder.flatten("flat", builder.globalAveragePooling("pool", value)), 5));
  return builder.build();
}

const step = (batch: number, forward = network()): Graph =>
  trainingGraph(forward, {
    batch,
    sgd: { momentum: 0.9, weightDecay: 1e-3 },
    factors: { momentum: 0.9, keepLast: new Set() },
  });

const MEBIBYTE = 2 ** 20;

/** The batch that the hint of a refusal names. */
function proposed(hint: string | undefined): number {
  return Number(/largest batch that fits is (\d+)/.exec(hint ?? "")?.[1] ?? Number.NaN);
}

describe.each<EngineName>(["onednn", "reference"])("a plan that does not fit into the memory: %s", (name) => {
  const engine = createEngine({ engine: name, threads: 1, memoryLimit: 20 * MEBIBYTE });
  const prepare = (batch: number): void => engine.prepare(step(batch), { batch }).dispose();

  it("is refused with what it needs, what there is, and a batch that fits", () => {
    const error = errorOf(() => prepare(2000));
    expect(error).toMatchObject({ code: "out-of-memory", exitCode: 2 });
    expect(error.message).toMatch(
      /plan of "small \(training\)" for a batch of 2000 needs .*\d MB of memory, and 21 MB are/,
    );
    const largest = proposed(error.details.hint);
    prepare(largest);
    // The proposal counts on kernels that need much, so a little more may fit; a lot more does not.
    expect(errorOf(() => prepare(3 * largest)).code).toBe("out-of-memory");
  });

  it("is refused before anything is allocated, however large", () => {
    const before = process.memoryUsage.rss();
    expect(errorOf(() => prepare(50_000_000)).message).toMatch(/needs .*\d GB of memory/);
    expect(process.memoryUsage.rss() - before).toBeLessThan(50 * MEBIBYTE);
  });

  it("counts what other plans of the engine hold, until they are disposed", () => {
    const largest = proposed(errorOf(() => prepare(2000)).details.hint);
    const held = engine.prepare(step(largest), { batch: largest });
    const less = errorOf(() => prepare(2 * largest));
    expect(less.code).toBe("out-of-memory");
    expect(proposed(less.details.hint)).not.toBeGreaterThan(largest / 2);
    held.dispose();
    prepare(largest);
  });

  it("is told that not even one image fits", () => {
    const tiny = createEngine({ engine: name, threads: 1, memoryLimit: 10_000 });
    expect(errorOf(() => tiny.prepare(step(4), { batch: 4 })).details.hint).toMatch(/Not even a batch of 1 fits/);
  });
});

const { precisions } = createEngine({ engine: "onednn", threads: 1 });

describe.runIf(precisions.includes("bf16"))("if the precision is to be the faster one", () => {
  const graph = step(256);
  const prepare = (precision: Precision | "auto", memoryLimit?: number) => {
    const engine = createEngine({ engine: "onednn", threads: 1, ...optional({ memoryLimit }) });
    const plan = engine.prepare(graph, { batch: 256, precision, tuningSeconds: 0.3 });
    const { bytes, notices } = plan;
    plan.dispose();
    return { precision: plan.precision, bytes, notices };
  };
  const [f32, bf16] = precisions.map((precision) => prepare(precision).bytes) as [number, number];

  it("plans that do not fit together are timed one after the other", () => {
    const { precision, notices } = prepare("auto", 1.2 * f32);
    expect(precisions).toContain(precision);
    expect(notices.join()).toMatch(/steps are computed in (f32|bf16): [\d.]+ ms each, in (f32|bf16) [\d.]+ ms/);
  });

  // On a machine where both need about the same, no limit lies between them.
  it.runIf(bf16 < 0.9 * f32)("the one that fits is taken", () => {
    const { precision, notices } = prepare("auto", (bf16 + f32) / 2);
    expect(precision).toBe("bf16");
    expect(notices).toContain("steps are computed in bf16, because in f32 they need more memory than is available");
  });

  it("steps that fit in neither are refused", () => {
    expect(errorOf(() => prepare("auto", bf16 / 4)).code).toBe("out-of-memory");
  });
});

describe("through a thread", () => {
  let host: EngineHost;
  beforeAll(async () => {
    host = await EngineHost.start({ engine: "onednn", threads: 1, memoryLimit: 300 * MEBIBYTE });
  });
  afterAll(() => host.dispose());

  it("a ResNet is refused with a batch that then fits", async () => {
    const forward = resnet({ depth: 20, classes: 10 });
    const prepare = (batch: number) => host.prepare(step(batch, forward), { batch });
    const refusal = await prepare(4096).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ name: "UserError", code: "out-of-memory", exitCode: 2 });
    const hint = refusal instanceof Error ? refusal.message : "";
    const plan = await prepare(proposed(hint));
    expect(plan.bytes).toBeLessThanOrEqual(300 * MEBIBYTE);
    expect(plan.bytes).toBeGreaterThan(200 * MEBIBYTE);
    await plan.dispose();
  });
});

describe("the largest batch that fits", () => {
  it("is found for needs that grow with the batch, give or take", () => {
    const needs = fc.record({
      batch: fc.integer({ min: 2, max: 5000 }),
      constant: fc.nat({ max: 1_000_000 }),
      each: fc.integer({ min: 1, max: 100_000 }),
      available: fc.nat({ max: 100_000_000 }),
    });
    fc.assert(
      fc.property(needs, ({ batch, constant, each, available }) => {
        // Steps of up to 3 %, as a greedy arena makes them.
        const needAt = (size: number): number => Math.round((constant + each * size) * (1 + 0.03 * ((size >> 3) % 2)));
        const needed = needAt(batch);
        fc.pre(needed > available);
        let asked = 0;
        const found = largestBatch({
          ...{ batch, needed, available },
          needAt: (size) => {
            asked++;
            return needAt(size);
          },
        });
        expect(found).toBeLessThan(batch);
        if (found > 0) expect(needAt(found)).toBeLessThanOrEqual(available);
        expect(found + 1 === batch || needAt(found + 1) > available).toBe(true);
        expect(asked).toBeLessThan(40);
      }),
    );
  });
});

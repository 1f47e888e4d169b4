import { Worker } from "node:worker_threads";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InternalError, UserError } from "../../src/core/errors.ts";
import { fromPortable, toPortable } from "../../src/core/portable-error.ts";
import { Requests } from "../../src/core/requests.ts";
import { filled, type Tensor, tensor } from "../../src/core/tensor.ts";
import { createEngine, type EngineSpec } from "../../src/engine/create.ts";
import { EngineHost } from "../../src/engine/host.ts";
import { type Calls, portable } from "../../src/engine/protocol.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { networkCases } from "./cases.ts";
import { randomFeeds, randomWeights, relativeDifference } from "./random-data.ts";

/** dst = src + bias */
function biasGraph(): Graph {
  const builder = new GraphBuilder("bias");
  builder.output(builder.bias("layer", builder.input("src", ["N", 2, 1, 1])));
  return builder.build();
}

const specs: readonly EngineSpec[] = [{ engine: "reference" }, { engine: "onednn", threads: 2 }];

describe.each(specs)("an engine in a worker thread: $engine", (spec) => {
  let host: EngineHost;
  beforeAll(async () => {
    host = await EngineHost.start(spec);
  });
  afterAll(() => host.dispose());

  it("tells its name and description", () => {
    expect(host.name).toBe(spec.engine);
    expect(Object.keys(host.description).length).toBeGreaterThan(0);
  });

  it("gives the results of the same engine on this thread, bit for bit with its choices", async () => {
    for (const { graph, batch } of networkCases) {
      const weights = randomWeights(graph, 1);
      const feeds = randomFeeds(graph, batch, 1);
      const handle = await host.prepare(graph, { batch });
      const plan = createEngine(spec).prepare(graph, { batch, choices: handle.choices });
      await handle.write(weights);
      plan.write(weights);
      expect(await handle.run(feeds)).toEqual(plan.run(feeds));
      expect(await handle.read([...weights.keys()])).toEqual(weights);
      expect((await handle.explain(feeds, 1)).length).toBeGreaterThan(0);
      expect(handle.bytes).toBeGreaterThan(0);
      await handle.dispose();
      plan.dispose();
    }
  });

  it("executes calls in the order they were made, waited for or not", async () => {
    const plan = await host.prepare(biasGraph(), { batch: 1 });
    const src = filled([1, 2, 1, 1], 0);
    const runs = [1, 2, 3, 4, 5].map(async (value) => {
      const written = plan.write(new Map([["layer.bias", filled([2], value)]]));
      const { layer } = await plan.run({ src });
      await written;
      return layer?.data[0];
    });
    expect(await Promise.all(runs)).toEqual([1, 2, 3, 4, 5]);
    await plan.dispose();
  });

  it("takes feeds from shared memory and from views of larger arrays, and leaves both alone", async () => {
    const plan = await host.prepare(biasGraph(), { batch: 1 });
    await plan.write(new Map([["layer.bias", filled([2], 1)]]));
    const shared = tensor([1, 2, 1, 1], new Float32Array(new SharedArrayBuffer(8)));
    shared.data.set([5, 6]);
    const view = tensor([1, 2, 1, 1], Float32Array.of(0, 0, 7, 8, 0).subarray(2, 4));
    expect([...((await plan.run({ src: shared }))["layer"]?.data ?? [])]).toEqual([6, 7]);
    expect([...((await plan.run({ src: view }))["layer"]?.data ?? [])]).toEqual([8, 9]);
    expect([...shared.data]).toEqual([5, 6]);
    expect([...view.data]).toEqual([7, 8]);
    await plan.dispose();
  });

  it("passes errors through with class, code and details, and goes on after them", async () => {
    const plan = await host.prepare(biasGraph(), { batch: 1 });
    const wrong = await plan.run({ src: filled([2, 2, 1, 1], 0) }).catch((error: unknown) => error);
    expect(wrong).toBeInstanceOf(UserError);
    expect(wrong).toMatchObject({
      name: "UserError",
      code: "bad-option",
      exitCode: 2,
      details: { expected: "[1,2,1,1]", received: "[2,2,1,1]" },
    });
    expect((wrong as Error).message.match(/expected/g)).toHaveLength(1);
    await expect(plan.read(["layer.bais"])).rejects.toMatchObject({ code: "unknown-name" });
    await expect(host.prepare(biasGraph(), { batch: 0 })).rejects.toMatchObject({ code: "bad-option" });
    expect((await plan.run({ src: filled([1, 2, 1, 1], 3) }))["layer"]?.data[1]).toBe(3);
    await plan.dispose();
    await expect(plan.run({ src: filled([1, 2, 1, 1], 3) })).rejects.toMatchObject({ code: "use-after-dispose" });
  });

  it("finishes what was asked before it is disposed, and refuses all after", async () => {
    const other = await EngineHost.start(spec);
    const plan = await other.prepare(biasGraph(), { batch: 1 });
    const last = plan.run({ src: filled([1, 2, 1, 1], 3) });
    await other.dispose();
    await other.dispose();
    expect((await last)["layer"]?.data[0]).toBe(3);
    await expect(plan.run({ src: filled([1, 2, 1, 1], 3) })).rejects.toMatchObject({ code: "use-after-dispose" });
    await expect(other.prepare(biasGraph(), { batch: 1 })).rejects.toMatchObject({ code: "use-after-dispose" });
  });

  it.each([
    ["disposed", "await host.dispose();"],
    ["left alone", ""],
  ])("lets the process exit by itself, without a crash, when %s", async (_, ending) => {
    const host = new URL("../../src/engine/host.ts", import.meta.url).href;
    const builder = new URL("../../src/graph/builder.ts", import.meta.url).href;
    const script = `
      import { EngineHost } from ${JSON.stringify(host)};
      import { GraphBuilder } from ${JSON.stringify(builder)};
      const builder = new GraphBuilder("exit");
      const src = builder.input("src", ["N", 4, 8, 8]);
      builder.output(builder.convolution("conv", src, { channels: 16, kernel: 3, padding: 1 }));
      const host = await EngineHost.start(${JSON.stringify(spec)});
      const plan = await host.prepare(builder.build(), { batch: 4 });
      const data = new Float32Array(4 * 4 * 8 * 8);
      console.log(Object.keys(await plan.run({ src: { dtype: "f32", shape: [4, 4, 8, 8], data } })).join());
      ${ending}`;
    const result = await execa("node", ["--import", "tsx", "--input-type=module", "--eval", script], {
      timeout: 30_000,
      reject: false,
    });
    expect(result).toMatchObject({ exitCode: 0, stdout: "conv" });
  });
});

describe("starting", () => {
  it("rejects with what the engine throws, and leaves no thread behind", async () => {
    for (const threads of [0, 100_000]) {
      await expect(EngineHost.start({ engine: "reference", threads })).rejects.toMatchObject({ code: "bad-option" });
    }
    const misspelt: { engine: string } = { engine: "onednm" };
    await expect(EngineHost.start(misspelt as EngineSpec)).rejects.toMatchObject({
      code: "unknown-name",
      message: expect.stringContaining('Did you mean "onednn"?'),
    });
  });
});

describe("a thread that dies", () => {
  const plan = { plan: 0, names: [] };
  it.each([
    ["by exiting", "require('node:worker_threads').parentPort.once('message', () => process.exit(3));"],
    ["by throwing", "require('node:worker_threads').parentPort.once('message', () => { throw new Error('gone'); });"],
  ])("rejects every open and later call: %s", async (_, script) => {
    const requests = new Requests<Calls>(new Worker(script, { eval: true }), "the engine's thread");
    const open = await Promise.allSettled([requests.call("read", plan), requests.call("read", plan)]);
    for (const settled of [...open, ...(await Promise.allSettled([requests.call("read", plan)]))]) {
      expect(settled).toMatchObject({ status: "rejected", reason: expect.any(InternalError) });
    }
    await requests.ended();
    expect(requests.isAlive).toBe(false);
  });
});

describe("errors as data", () => {
  const roundTrip = (error: unknown): ReturnType<typeof fromPortable> =>
    fromPortable(structuredClone(toPortable(error)));

  it("keeps what an error says", () => {
    const error = new UserError("engine-missing", "oneDNN is not installed", {
      about: "libdnnl.so.2",
      expected: "oneDNN 2.6",
      received: "nothing",
      hint: "apt-get install libdnnl2",
      cause: new TypeError("no such file"),
    });
    const received = roundTrip(error);
    expect(received).toBeInstanceOf(UserError);
    expect(received).toMatchObject({ code: error.code, message: error.message, stack: error.stack, exitCode: 2 });
    expect(received.details).toMatchObject({ about: "libdnnl.so.2", hint: "apt-get install libdnnl2" });
    expect(received.cause).toMatchObject({ name: "TypeError", message: "no such file" });
  });

  it("makes an internal error of any other", () => {
    const received = roundTrip(new RangeError("out of range"));
    expect(received).toBeInstanceOf(InternalError);
    expect(received).toMatchObject({
      code: "internal",
      exitCode: 70,
      message: expect.stringContaining("out of range"),
    });
    expect(received.cause).toMatchObject({ name: "RangeError" });
    expect(roundTrip("just words")).toBeInstanceOf(InternalError);
  });
});

describe("tensors to be posted", () => {
  it("are copied only where posting would copy more than them", () => {
    const whole = filled([3], 1);
    const shared = tensor([2], new Float32Array(new SharedArrayBuffer(16), 4, 2));
    const view: Tensor = tensor([2], Float32Array.of(1, 2, 3, 4).subarray(1, 3));
    expect(portable(whole)).toBe(whole);
    expect(portable(shared)).toBe(shared);
    expect(portable(view).data.buffer.byteLength).toBe(8);
    expect(relativeDifference(portable(view).data, view.data)).toBe(0);
  });
});

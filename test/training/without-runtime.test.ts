/** A run, and what it and the measurements say, where ONNX Runtime is not installed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { UserError } from "../../src/core/errors.ts";
import { measureLatency } from "../../src/evaluation/latency.ts";
import { findWitness } from "../../src/evaluation/witness.ts";
import { type Told, temporaryFolder, tinyDataset, tinyResnet, trainTiny } from "./tiny.ts";

vi.mock("node:module", async (original) => {
  const actual = await original<typeof import("node:module")>();
  const createRequire: typeof actual.createRequire = (base) => {
    const require = actual.createRequire(base);
    const resolve = (name: string): string => {
      if (name === "onnxruntime-node") throw new Error(`Cannot find module '${name}'`);
      return require.resolve(name);
    };
    return Object.assign((name: string): unknown => require(name), require, {
      resolve: Object.assign(resolve, require.resolve),
    });
  };
  return { ...actual, createRequire };
});

let told: Told;
const folder = join(temporaryFolder(), "run");
beforeAll(async () => {
  told = await trainTiny({
    data: tinyDataset(),
    engine: "reference",
    epochs: 1,
    batch: 16,
    select: { neurons: 0.4 },
    folder,
  });
});

test("the certificate is made in engines of ours, and says so", () => {
  const certificate: unknown = JSON.parse(readFileSync(join(folder, "certificate.json"), "utf8"));
  expect(certificate).toMatchObject({
    passed: true,
    witness: expect.stringMatching(/^the (onednn engine|reference engine again)$/),
    comparisons: [{ images: 40, passed: true }, { passed: true }],
  });
  expect(certificate).not.toHaveProperty("onnxRuntime");
  const measured = told.events.find((event) => event.type === "certificate");
  expect(measured).toMatchObject({ passed: true, runtime: { name: told.run.certificate.witness, images: 40 } });
});

test("latency is left out, and a notice says so and what to type", () => {
  expect(told.run.before.latencyMilliseconds).toBeNull();
  expect(told.run.after.latencyMilliseconds).toBeNull();
  const notices = told.events.flatMap((event) => (event.type === "notice" ? [event.message] : []));
  expect(notices).toContainEqual(expect.stringMatching(/ONNX Runtime is not installed.*npm install.*onnxruntime-node/));
});

test("what cannot do without it refuses, with the command to type", async () => {
  const refusal = { code: "engine-missing", message: expect.stringMatching(/npm install .*onnxruntime-node@/) };
  await expect(measureLatency(["network.onnx"])).rejects.toBeInstanceOf(UserError);
  await expect(measureLatency(["network.onnx"])).rejects.toMatchObject(refusal);
  const compact = { graph: tinyResnet(), weights: new Map() };
  const asked = findWitness({ compact, compactFile: "compact.onnx", engine: "onednn", runtime: true });
  await expect(asked).rejects.toMatchObject(refusal);
});

test("integers are scored in the engine, which simulates them", async () => {
  const { run, events } = await trainTiny({
    data: tinyDataset(),
    engine: "reference",
    epochs: 2,
    batch: 16,
    int8: true,
    int8Epochs: 1,
  });
  expect(events.find(({ type }) => type === "int8")).toMatchObject({
    ...{ runtime: "reference, simulated", accuracy: run.int8?.accuracy, epochs: 1, images: 40, latency: null },
  });
  expect(run.int8?.accuracy).toBeGreaterThan(run.after.accuracy - 10);
});

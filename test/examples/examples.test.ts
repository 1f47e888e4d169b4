/**
 * The examples as they stand: the test imports the very files. Only what it cannot afford is replaced: CIFAR-10 by
 * images of that shape, and long training by short. `own-hook`, `own-gamma`, `own-dataset` and `ten-lines` are run by
 * tests in `test/training`.
 */
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { loadOnnx } from "../../src/entries/onnx.ts";
import { saveOnnx } from "../../src/formats/onnx/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { cost } from "../../src/graph/cost.ts";
import type { Graph } from "../../src/graph/graph.ts";
import type { DatasetReference, ModelSource, Run, TrainOptions } from "../../src/index.ts";
import { initialize } from "../../src/models/initialize.ts";
import { model } from "../../src/models/zoo.ts";
import { writePicture } from "../data/images/images.ts";
import { isInstalled } from "../training/engines.ts";
import { temporaryFolder, tinyDataset } from "../training/tiny.ts";

const hasOneDnn = await isInstalled("onednn");
const runs: Run[] = [];

vi.mock("espalier", async (importOriginal) => {
  const espalier = await importOriginal<typeof import("../../src/index.ts")>();
  const images = tinyDataset(256, 8, [3, 32, 32]);
  const classes = Array.from({ length: 10 }, (_, label) => `class ${label}`);
  return {
    ...espalier,
    cifar10: (): DatasetReference => ({ spec: "cifar10", open: async () => ({ ...images, name: "cifar10", classes }) }),
    train: async (source: ModelSource, options: TrainOptions) => {
      const engine = hasOneDnn ? "onednn" : "reference";
      const run = await espalier.train(source, { ...options, epochs: 2, batch: 4, engine, latency: false });
      runs.push(run);
      return run;
    },
  };
});

let folder: string;
let printed: string[];
const [, , ...argumentsBefore] = process.argv;

beforeEach(() => {
  folder = temporaryFolder();
  process.chdir(folder);
  printed = [];
  vi.spyOn(console, "log").mockImplementation((...words: unknown[]) => void printed.push(words.join(" ")));
});
afterEach(() => {
  process.argv.splice(2, Number.POSITIVE_INFINITY, ...argumentsBefore);
  vi.restoreAllMocks();
});

/** Takes colour images of 16 × 16 pixels. */
function smallNetwork(classes: number): Graph {
  const builder = new GraphBuilder("small");
  let value = builder.input("images", ["N", 3, 16, 16]);
  for (const [index, channels] of [8, 16].entries()) {
    value = builder.convolution(`conv${index}`, value, { channels, kernel: 3, padding: 1, strides: 2 });
    value = builder.relu(`relu${index}`, builder.batchNormalization(`norm${index}`, value));
  }
  builder.output(
    builder.linear("classifier", builder.flatten("flat", builder.globalAveragePooling("pool", value)), classes),
  );
  return builder.build();
}

function withArguments(...values: string[]): void {
  process.argv.splice(2, Number.POSITIVE_INFINITY, ...values);
}

test("prune-onnx: a file and folders of photos become a smaller file", async () => {
  const graph = smallNetwork(2);
  await saveOnnx({ graph, weights: initialize(graph, 1) }, "model.onnx");
  for (const part of ["train", "test"]) {
    for (const name of ["cats", "dogs"]) {
      mkdirSync(join("photos", part, name), { recursive: true });
      for (let number = 0; number < 8; number++) {
        await writePicture(join("photos", part, name, `${number}.png`));
      }
    }
  }
  withArguments("model.onnx", "./photos");
  await import("../../examples/prune-onnx.ts");
  const { before, after } = runs.at(-1) ?? {};
  expect(printed).toEqual([`${before?.macs} → ${after?.macs} MACs, ${after?.accuracy} % accurate`]);
  expect(cost((await loadOnnx("small.onnx")).graph).macs).toBe(after?.macs);
});

test.skipIf(!hasOneDnn)("quantize: a file and folders of photos become a file of integers", async () => {
  const graph = smallNetwork(2);
  await saveOnnx({ graph, weights: initialize(graph, 1) }, "model.onnx");
  for (const [name, count] of [
    ["train", 20],
    ["test", 4],
  ] as const) {
    for (const of of ["cats", "dogs"]) {
      mkdirSync(join("photos", name, of), { recursive: true });
      for (let number = 0; number < count; number++) await writePicture(join("photos", name, of, `${number}.png`));
    }
  }
  withArguments("model.onnx", "./photos");
  await import("../../examples/quantize.ts");
  const [before, after] = ["model.onnx", "int8.onnx"].map((name) => statSync(name).size);
  expect(printed.at(-1)).toContain(`: ${before} → ${after} bytes, `);
  await expect(loadOnnx("int8.onnx")).rejects.toMatchObject({ code: "unsupported" });
});

test("prune-without-training: what is at zero goes, and a list of cuts is replayed", async () => {
  await import("../../examples/prune-without-training.ts");
  const [before, after] = [model("resnet-20", { classes: 10 }), (await loadOnnx("small.onnx")).graph].map(
    (graph) => cost(graph).macs,
  );
  expect(after).toBeLessThan(0.7 * (before ?? 0));
  expect(printed.at(-1)).toBe(`replayed: ${before} → ${after} MACs`);
});

test.skipIf(!hasOneDnn)("own-loop: trains, prunes and saves", async () => {
  await import("../../examples/own-loop.ts");
  expect(printed[0]).toMatch(/^step 0 of 8, loss \d+\.\d{3}$/);
  expect(cost((await loadOnnx("small.onnx")).graph).macs).toBeGreaterThan(0);
  const text = readFileSync(new URL("../../examples/own-loop.ts", import.meta.url), "utf8");
  expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(40);
});

test("serve: answers a picture with a class of the file's metadata, and anything else with an error", async () => {
  const graph = smallNetwork(3);
  const normalization = { mean: [0.5, 0.5, 0.5], standardDeviation: [0.25, 0.25, 0.25] };
  const metadata = { classes: JSON.stringify(["cat", "dog", "bird"]), normalization: JSON.stringify(normalization) };
  await saveOnnx({ graph, weights: initialize(graph, 1) }, "compact.onnx", { metadata });
  await writePicture("picture.png");
  const port = await freePort();
  withArguments("compact.onnx", `${port}`);
  await import("../../examples/serve.ts");
  await vi.waitFor(() => expect(printed).toHaveLength(1));
  const ask = async (body: Buffer): Promise<[number, unknown]> => {
    const answer = await fetch(`http://127.0.0.1:${port}`, { method: "POST", body });
    return [answer.status, await answer.json()];
  };
  const [status, answer] = await ask(readFileSync("picture.png"));
  expect([status, answer]).toEqual([200, { class: expect.stringMatching(/^(cat|dog|bird)$/) }]);
  expect((await ask(Buffer.from("no picture")))[0]).toBe(400);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { fileFacts } from "../../src/evaluation/file-facts.ts";
import { measureLatency } from "../../src/evaluation/latency.ts";
import { profileFile } from "../../src/evaluation/runtime-profile.ts";
import { judgeWidths, knownWidths } from "../../src/evaluation/width-multiples.ts";
import { saveOnnx } from "../../src/formats/onnx/index.ts";
import { encodeModel, floatTensorMessage, type ModelMessage, valueMessage } from "../../src/formats/onnx/proto.ts";
import { cost } from "../../src/graph/cost.ts";
import { initialize } from "../../src/models/initialize.ts";
import { model } from "../../src/models/zoo.ts";
import { temporaryFolder } from "../training/tiny.ts";

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true }));

async function zooFile(name: string): Promise<string> {
  const graph = model(name);
  const path = join(folder, `${name}.onnx`);
  await saveOnnx({ graph, weights: initialize(graph, 1) }, path);
  return path;
}

/** A file as another tool may write it: an op that is not read here, integers in, height and width left open. */
function foreignFile(name: string, more: Partial<ModelMessage> = {}): string {
  const path = join(folder, name);
  const weights = Float32Array.from({ length: 4 * 3 * 3 * 3 }, (_, index) => index / 100);
  writeFileSync(
    path,
    encodeModel({
      irVersion: 8,
      opsetImport: [{ domain: "", version: 13 }],
      graph: {
        name: "foreign",
        input: [valueMessage("pixels", 2, ["batch", 3, "height", "width"])],
        output: [valueMessage("y", 1, ["batch", 4, "h", "w"])],
        initializer: [floatTensorMessage("w", [4, 3, 3, 3], weights)],
        node: [
          { opType: "Cast", input: ["pixels"], output: ["x"], attribute: [{ name: "to", type: 2, i: 1 }] },
          { opType: "Conv", name: "conv", input: ["x", "w"], output: ["c"] },
          { opType: "Celu", input: ["c"], output: ["y"] },
        ],
      },
      ...more,
    }),
  );
  return path;
}

describe("what a file costs", () => {
  test.each(["resnet-20", "mobilenet-v2-cifar", "densenet-40"])("%s: equals our own count", async (name) => {
    const path = await zooFile(name);
    const { macs, parameters, bytes } = await fileFacts(path);
    expect({ macs, parameters }).toEqual(cost(model(name)));
    expect(bytes).toBe(statSync(path).size);
  });

  const pretrained = fileURLToPath(
    new URL("../../../shared/data/pretrained/resnet20-12fca82f.bn-preserve.onnx", import.meta.url),
  );
  if (!existsSync(pretrained))
    console.warn(`SKIPPED: the pretrained ResNet-20 is not counted, for ${pretrained} is not there`);
  test.skipIf(!existsSync(pretrained))("the file of another tool: MACs as of the same network of ours", async () => {
    expect((await fileFacts(pretrained)).macs).toBe(cost(model("resnet-20")).macs);
  });

  test("a file that Espalier cannot import: equals a count by hand", async () => {
    const path = foreignFile("foreign.onnx");
    expect(await fileFacts(path, [10, 12])).toMatchObject({ macs: 4 * 8 * 10 * 27, parameters: 108 });
    await expect(fileFacts(path)).rejects.toMatchObject({ code: "unsupported", details: { hint: /--size/ } });
    const [latency] = await measureLatency([path], { batch: 2, rounds: 3, size: [10, 12] });
    expect(latency?.median).toBeGreaterThan(0);
  });

  test.each([
    ["bhid,bhjd->bhij", [2, 4, 6, 8], [2, 4, 5, 8], 2 * 4 * 6 * 5 * 8],
    ["...ij, ...jk", [4, 3, 2, 5], [4, 1, 5, 7], 4 * 3 * 2 * 5 * 7],
    ["bhij->bhji", [2, 4, 6, 8], undefined, 0],
  ] as const)("Einsum %s: equals the products by hand", async (equation, first, second, macs) => {
    const path = join(folder, "einsum.onnx");
    const shapes = second === undefined ? [first] : [first, second];
    const input = shapes.map((shape, at) => valueMessage(`x${at}`, 1, shape));
    const attribute = [{ name: "equation", type: 3, s: new TextEncoder().encode(equation) }];
    writeFileSync(
      path,
      encodeModel({
        irVersion: 8,
        opsetImport: [{ domain: "", version: 13 }],
        graph: {
          name: "products",
          input,
          output: [
            valueMessage(
              "y",
              1,
              Array.from({ length: Math.max(first.length, second?.length ?? 0) }, () => "n"),
            ),
          ],
          node: [
            { opType: "Einsum", name: "einsum", input: input.map(({ name = "" }) => name), output: ["y"], attribute },
          ],
        },
      }),
    );
    expect((await fileFacts(path)).macs).toBe(macs);
  });

  test("a file that is not ONNX is refused", async () => {
    const path = join(folder, "text.onnx");
    writeFileSync(path, "no network");
    await expect(fileFacts(path)).rejects.toMatchObject({ code: "bad-file", details: { about: path } });
    await expect(fileFacts(join(folder, "none.onnx"))).rejects.toMatchObject({ code: "missing-file" });
  });
});

test("a profile has the layers in order, with their shapes and times", async () => {
  const nodes = await profileFile(await zooFile("resnet-20"), { runs: 3, batch: 2, optimized: false });
  const convolutions = nodes.filter(({ op }) => op === "Conv");
  expect(convolutions).toHaveLength(19);
  expect(convolutions[0]?.inputs[0]).toEqual([2, 3, 32, 32]);
  expect(convolutions.at(-1)?.outputs[0]).toEqual([2, 64, 8, 8]);
  for (const { median } of convolutions) expect(median).toBeGreaterThan(0);
});

describe("widths", () => {
  /** Time of each width 1 … 64 where `cost` says what it takes. */
  const times = (cost: (width: number) => number): number[] => Array.from({ length: 64 }, (_, at) => cost(at + 1));

  test("times like a staircase: the multiple is the width of a step", () => {
    for (const step of [4, 8, 16]) expect(judgeWidths(times((width) => Math.ceil(width / step))).multiple).toBe(step);
  });

  test("if every channel costs time, the multiple is small", () => {
    expect(judgeWidths(times((width) => width * width)).multiple).toBeLessThanOrEqual(2);
  });

  test("a multiple that is faster than the widths between is chosen", () => {
    const found = judgeWidths(times((width) => (width % 8 === 0 ? width : 2 * width)));
    expect(found.multiple).toBe(8);
    expect(found.relative.find(({ multiple }) => multiple === 8)?.time).toBeLessThan(0.7);
  });

  test("are measured once and cached; a damaged cache is measured again", async () => {
    const options = { widest: 4, rounds: 2, pixels: 4 };
    const first = await knownWidths(folder, options);
    expect(first.milliseconds).toHaveLength(4);
    expect(await knownWidths(folder, options)).toEqual(first);
  });
});

/**
 * `espalier convert` on real files: a model through both formats and back, and an unreadable file with every reason.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/index.ts";
import { encodeModel } from "../../src/formats/onnx/proto.ts";
import { loadSafetensors } from "../../src/formats/safetensors.ts";
import { initialize } from "../../src/models/initialize.ts";
import { model } from "../../src/models/zoo.ts";
import { espalier } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "espalier-convert-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a model of the zoo goes out under PyTorch's names and comes back", async () => {
  const graph = model("resnet-20", { classes: 7 });
  const [first, weights, second] = ["a.onnx", "a.safetensors", "b.onnx"].map((name) => join(folder, name));
  await saveOnnx({ graph, weights: initialize(graph, 3) }, first ?? "");
  expect(await espalier(["convert", first ?? "", weights ?? ""])).toMatchObject({ exitCode: 0 });
  expect((await loadSafetensors(weights ?? "")).get("layer1.0.conv1.weight")?.shape).toEqual([16, 16, 3, 3]);
  const back = await espalier(["convert", weights ?? "", second ?? "", "--model", "resnet-20", "--classes", "7"]);
  expect(back).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("resnet-20") });
  expect(await loadOnnx(second ?? "")).toEqual(await loadOnnx(first ?? ""));
  const wrong = await espalier(["convert", weights ?? "", second ?? "", "--model", "resnet-20"]);
  expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("expected [10,64], got [7,64]") });
});

test("an exported file keeps the names it has", async () => {
  const exported = fileURLToPath(new URL("../formats/onnx/fixtures/residual-9.onnx", import.meta.url));
  const weights = join(folder, "exported.safetensors");
  await espalier(["convert", exported, weights]);
  expect([...(await loadSafetensors(weights)).keys()]).toEqual(
    expect.arrayContaining(["conv1.weight", "bn2.running_var", "fc.bias"]),
  );
});

test("inspect lists every node that is not read", async () => {
  const file = join(folder, "unread.onnx");
  const node = (opType: string, name: string): object => ({ opType, name, input: ["x"], output: [name] });
  const dim = [{ dimParam: "N" }, { dimValue: 3 }, { dimValue: 4 }, { dimValue: 4 }];
  writeFileSync(
    file,
    encodeModel({
      irVersion: 8,
      opsetImport: [{ version: 17 }],
      graph: {
        name: "g",
        input: [{ name: "x", type: { tensorType: { elemType: 1, shape: { dim } } } }],
        output: [{ name: "a" }],
        node: [node("Einsum", "a"), node("GridSample", "b"), node("Einsum", "c")],
      },
    }),
  );
  const { exitCode, stderr } = await espalier(["inspect", file]);
  expect(exitCode).toBe(2);
  for (const line of ['· Einsum "a": loses the batch', '· GridSample "b"', '· Einsum "c"'])
    expect(stderr).toContain(line);
  const { stdout } = await espalier(["inspect", file, "--json"]);
  expect(JSON.parse(stdout).error.list).toHaveLength(3);
});

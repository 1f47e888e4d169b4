import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readBytes, requirePlaceFor, writeBytes } from "../../src/formats/file.ts";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/index.ts";
import { initialize } from "../../src/models/initialize.ts";
import { resnet } from "../../src/models/resnet.ts";
import { readFixedInputs } from "../../src/training/settings/fixed-input.ts";

const folder = mkdtempSync(join(tmpdir(), "espalier-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a file is replaced as a whole, and no other file is left behind", async () => {
  const path = join(folder, "a");
  await writeBytes(path, Uint8Array.of(1, 2, 3));
  await writeBytes(path, new Uint8Array([0, 9, 8, 0]).subarray(1, 3));
  expect([...readFileSync(path)]).toEqual([9, 8]);
  expect([...(await readBytes(path))]).toEqual([9, 8]);
  expect(readdirSync(folder)).toEqual(["a"]);
});

test("an error of the system names the path", async () => {
  const missing = join(folder, "none", "a");
  await expect(readBytes(missing)).rejects.toMatchObject({ code: "missing-file", details: { about: missing } });
  await expect(writeBytes(missing, new Uint8Array())).rejects.toMatchObject({ code: "missing-file" });
  await expect(readBytes(folder)).rejects.toMatchObject({ code: "bad-file" });
});

test.skipIf(!existsSync("/dev/zero"))("a device is no file, and what a pipe gives is one", async () => {
  await expect(readBytes("/dev/zero")).rejects.toMatchObject({
    code: "bad-file",
    details: { hint: expect.any(String) },
  });
  symlinkSync("/dev/zero", join(folder, "zero.npy"));
  expect(() => readFixedInputs(`a=${join(folder, "zero.npy")}`)).toThrow(/is a device, not a file/);
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  const [read] = await Promise.all([readBytes(pipe), writeFile(pipe, "abc")]);
  expect(new TextDecoder().decode(read)).toBe("abc");
  // A new file does not take its place, either.
  const refused = { code: "bad-file", message: expect.stringContaining("is a device or a pipe") };
  await expect(writeBytes(pipe, new Uint8Array(3))).rejects.toMatchObject(refused);
  await expect(requirePlaceFor(pipe)).rejects.toMatchObject(refused);
  expect(statSync(pipe).isFIFO()).toBe(true);
});

test("a network is saved to a file and loaded from it", async () => {
  const graph = resnet({ depth: 20, classes: 4, channels: 1, size: 28 });
  const network = { graph, weights: initialize(graph, 7) };
  const path = join(folder, "network.onnx");
  await saveOnnx(network, path, { metadata: { normalization: "none" } });
  const read = await loadOnnx(path);
  expect(read.graph).toEqual({ ...graph, header: { metadata: [["normalization", "none"]] } });
  expect(read.weights.get("classifier.weights")).toEqual(network.weights.get("classifier.weights"));
  await expect(loadOnnx(join(folder, "none.onnx"))).rejects.toMatchObject({ code: "missing-file" });
});

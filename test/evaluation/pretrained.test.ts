/**
 * Public weights of a ResNet-20 (akamaster/pytorch_resnet_cifar10, 91.73 % on the CIFAR-10 test set) score here what
 * they score in PyTorch: model, formats, data and engine, all at once. The weights lie beside the repository and are
 * not part of it.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { openDataset } from "../../src/data/open.ts";
import { EngineHost } from "../../src/engine/host.ts";
import { measureAccuracy } from "../../src/evaluation/accuracy.ts";
import { type Classifier, engineClassifier } from "../../src/evaluation/classifier.ts";
import { runtimeClassifier } from "../../src/evaluation/runtime-thread.ts";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/index.ts";
import { loadSafetensors } from "../../src/formats/safetensors.ts";
import { weightsFromStateDict } from "../../src/formats/state-dict.ts";
import { resnet } from "../../src/models/resnet.ts";
import { temporaryFolder } from "../training/tiny.ts";

function besideTheRepository(name: string): string {
  return fileURLToPath(new URL(`../../../shared/data/pretrained/${name}`, import.meta.url));
}

const weightsFile = besideTheRepository("resnet20-12fca82f.safetensors");
/** The same network as PyTorch exported it: with its batch norms, and with them merged into the convolutions. */
const exportedFiles = ["resnet20-12fca82f.bn-preserve.onnx", "resnet20-12fca82f.eval-folded.onnx"];
const isThere = existsSync(weightsFile);
if (!isThere) console.warn(`SKIPPED: the pretrained ResNet-20 is not scored, for ${weightsFile} is not there`);

/** What these weights were trained with; not the dataset's own constants. */
const normalization = { mean: [0.485, 0.456, 0.406], standardDeviation: [0.229, 0.224, 0.225] };
const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true }));

async function expectPublishedAccuracy(opening: (file: string) => Promise<Classifier>): Promise<void> {
  await expectScore(await opening(await exportedBySelf()));
}

async function exportedBySelf(): Promise<string> {
  const graph = resnet({ depth: 20, classes: 10, shortcut: "A" });
  const weights = weightsFromStateDict(graph, await loadSafetensors(weightsFile), weightsFile);
  const file = join(folder, "resnet-20.onnx");
  await saveOnnx({ graph, weights }, file);
  return file;
}

async function expectScore(classifier: Classifier): Promise<void> {
  const { test: split } = await openDataset("cifar10");
  const { accuracy, images } = await measureAccuracy(classifier, split, normalization);
  await classifier.dispose();
  expect(images).toBe(10_000);
  expect(accuracy).toBeGreaterThanOrEqual(91.71);
  expect(accuracy).toBeLessThanOrEqual(91.75);
}

describe.skipIf(!isThere)("the pretrained ResNet-20 scores 91.73 % on the CIFAR-10 test set", () => {
  // The first use fetches CIFAR-10, 139 MB.
  const timeout = 600_000;

  test("exported, in ONNX Runtime", { timeout }, async () => {
    await expectPublishedAccuracy((file) => runtimeClassifier(file, 250));
  });

  test("exported, read back, in oneDNN", { timeout }, async () => {
    const host = await EngineHost.start({ engine: "onednn" });
    try {
      await expectPublishedAccuracy(async (file) => engineClassifier(host, await loadOnnx(file), 300));
    } finally {
      await host.dispose();
    }
  });

  test.each(exportedFiles)("%s, in oneDNN", { timeout }, async (name) => {
    const host = await EngineHost.start({ engine: "onednn" });
    try {
      await expectScore(await engineClassifier(host, await loadOnnx(besideTheRepository(name)), 300));
    } finally {
      await host.dispose();
    }
  });

  test.each(exportedFiles)("%s, written again, in ONNX Runtime", { timeout }, async (name) => {
    const file = join(folder, name);
    await saveOnnx(await loadOnnx(besideTheRepository(name)), file);
    await expectScore(await runtimeClassifier(file, 250));
  });
});

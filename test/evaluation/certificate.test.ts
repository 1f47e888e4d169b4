import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { optional } from "../../src/core/optional.ts";
import { tensor } from "../../src/core/tensor.ts";
import { type Certificate, type CertificateOptions, certify, requireExact } from "../../src/evaluation/certificate.ts";
import { saveOnnx } from "../../src/formats/onnx/index.ts";
import type { Network } from "../../src/graph/graph.ts";
import { compact } from "../../src/pruning/compact.ts";
import { place } from "../../src/selection/place.ts";
import { randomWeights } from "../engine/random-data.ts";
import { zeroFactors } from "../pruning/networks.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "../training/tiny.ts";
import { referenceHost } from "./reference-host.ts";

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const dataset = tinyDataset(4, 30);

/** A network with dead neurons and what cutting makes of it. */
function cutNetwork() {
  const { graph } = place(tinyResnet(), { neurons: 1, blocks: 1 });
  const original = zeroFactors(
    { graph, weights: randomWeights(graph, 4) },
    { "block1.conv1.neuron.factor": [1, 2], "block2.conv1.neuron.factor": [0] },
  );
  return { original, cut: compact(original) };
}

/** `network` with `parameter` times `factor`. */
function altered(network: Network, parameter: string, factor: number): Network {
  const values = network.weights.get(parameter);
  if (values === undefined) throw new Error(`no parameter ${parameter}`);
  const changed = tensor(
    values.shape,
    values.data.map((value) => value * factor),
  );
  return { graph: network.graph, weights: new Map(network.weights).set(parameter, changed) };
}

async function certificateOf(
  original: Network,
  inMemory: Network,
  exported: Network,
  kept = cutNetwork().cut.kept,
  more: Pick<CertificateOptions, "runtime"> & { readonly engine?: string } = {},
) {
  const [originalFile, compactFile] = [join(folder, "network.onnx"), join(folder, "compact.onnx")];
  await saveOnnx(original, originalFile);
  await saveOnnx(exported, compactFile);
  return certify({
    original,
    originalFile,
    compact: inMemory,
    compactFile,
    kept,
    host: { ...referenceHost(), ...optional({ name: more.engine }) },
    dataset,
    batch: 16,
    ...optional({ runtime: more.runtime }),
  });
}

function caught(certificate: Certificate): string {
  try {
    requireExact(certificate);
  } catch (error) {
    expect(error).toMatchObject({ code: "not-exact", exitCode: 2 });
    return error instanceof Error ? error.message : "";
  }
  return "";
}

describe("a certificate", () => {
  test("passes for an exact cut and has its inputs", async () => {
    const { original, cut } = cutNetwork();
    expect(cut.cuts.after.parameters).toBeLessThan(cut.cuts.before.parameters);
    const certificate = await certificateOf(original, cut.network, cut.network);
    expect(certificate).toMatchObject({ passed: true, images: 30, dataset: "tiny", tolerance: 1e-3 });
    expect(certificate.comparisons).toHaveLength(2);
    for (const comparison of certificate.comparisons) {
      expect(comparison).toMatchObject({ passed: true, sameAnswers: 30, otherAnswers: 0 });
      expect(comparison.relativeDifference).toBeLessThan(1e-5);
    }
    for (const { path, sha256 } of certificate.files) {
      expect(sha256).toBe(createHash("sha256").update(readFileSync(path)).digest("hex"));
    }
    expect(JSON.parse(JSON.stringify(certificate))).toEqual(certificate);
    expect(caught(certificate)).toBe("");
  });

  test("fails for a wrong cut and names the first layer that differs", async () => {
    const { original, cut } = cutNetwork();
    const wrong = altered(cut.network, "block1.norm2.scale", 1.1);
    const certificate = await certificateOf(original, wrong, wrong);
    expect(certificate.passed).toBe(false);
    expect(certificate.comparisons[0]?.departure).toMatchObject({ layer: "block1.norm2", op: "batch_normalization" });
    expect(caught(certificate)).toMatch(
      /compact network in reference.*batch_normalization "block1\.norm2" differs first/,
    );
  });

  test("a layer that lost channels is compared in the channels that it kept", async () => {
    const { original, cut } = cutNetwork();
    expect(cut.kept.get("block1.norm1")).toEqual([0, 3]);
    const wrong = altered(cut.network, "block2.norm1.shift", 2);
    const certificate = await certificateOf(original, wrong, wrong);
    expect(certificate.comparisons[0]?.departure?.layer).toBe("block2.norm1");
  });

  test("fails for an exported file with another network, and names the first layer that differs", async () => {
    const { original, cut } = cutNetwork();
    const certificate = await certificateOf(original, cut.network, altered(cut.network, "stem.conv.weights", 0.8));
    const [inEngine, inRuntime] = certificate.comparisons;
    expect(inEngine?.passed).toBe(true);
    expect(inRuntime).toMatchObject({ passed: false, departure: { layer: "stem.conv", op: "convolution" } });
    expect(caught(certificate)).toMatch(/compact file in ONNX Runtime.*convolution "stem\.conv"/);
  });

  test("without ONNX Runtime the reference engine computes the file, with the same tolerance", async () => {
    const { original, cut } = cutNetwork();
    const alone = { runtime: false, engine: "onednn" };
    const exact = await certificateOf(original, cut.network, cut.network, cut.kept, alone);
    expect(exact).toMatchObject({ passed: true, witness: "the reference engine" });
    expect(exact.comparisons[1]).toMatchObject({ images: 30, sameAnswers: 30 });
    const wrong = altered(cut.network, "stem.conv.weights", 0.8);
    const failed = await certificateOf(original, cut.network, wrong, cut.kept, alone);
    expect(failed.comparisons[1]).toMatchObject({ passed: false, departure: { layer: "stem.conv" } });
    expect(caught(failed)).toMatch(/compact file in the reference engine.*convolution "stem\.conv"/);
  });

  test("fails, and stays JSON, if the network's logits are NaN", async () => {
    const { original, cut } = cutNetwork();
    // Finite weights, as a file must have, that overflow.
    const broken = altered(cut.network, "stem.conv.weights", 3e38);
    const certificate = await certificateOf(original, broken, broken);
    expect(certificate.passed).toBe(false);
    const differences = certificate.comparisons.map(({ largestDifference }) => largestDifference);
    expect(differences).toEqual([Number.MAX_VALUE, Number.MAX_VALUE]);
    expect(JSON.parse(JSON.stringify(certificate))).toEqual(certificate);
  });
});

/**
 * Measures how many images per second are decoded and augmented, and how much that slows down a training step beside
 * it: `npx tsx bench/decode.ts [--model resnet-20] [--size 224] [--batch 16] [--source 500x375] [--images 200]
 * [--steps 12]`. The images are generated: blurred noise, as JPEG of quality 90. Rounds of steps with random data and
 * with decoded data alternate.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { kernelCacheFolder } from "../src/core/cache-folder.ts";
import { openImages } from "../src/data/images/open.ts";
import { TrainingLoader, type TrainingLoaderOptions } from "../src/data/loader.ts";
import { EngineHost } from "../src/engine/host.ts";
import { randomStep } from "../src/evaluation/step-time.ts";
import { model } from "../src/models/zoo.ts";
import { withFactors } from "../src/training/start/starting-network.ts";
import { spreadOf } from "./shared/statistics.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "resnet-20" },
    size: { type: "string", default: "224" },
    batch: { type: "string", default: "16" },
    source: { type: "string", default: "500x375" },
    images: { type: "string", default: "200" },
    steps: { type: "string", default: "12" },
  },
});
const [size, batch, images, steps] = [values.size, values.batch, values.images, values.steps].map(Number);
const [width = 500, height = 375] = values.source.split("x").map(Number);
if (size === undefined || batch === undefined || images === undefined || steps === undefined) throw new Error("usage");

/** Decodes without training: images per second with this number of workers. */
async function decodeAlone(options: TrainingLoaderOptions, workers: number, batches: number): Promise<number> {
  const loader = new TrainingLoader({ ...options, workers });
  const take = async (count: number): Promise<void> => {
    for (let taken = 0; taken < count; taken++) (await loader.next()).release();
  };
  // Batches that were prepared before the clock started do not count.
  await take(2 * Math.max(4, 2 * workers));
  const start = performance.now();
  await take(batches);
  const seconds = (performance.now() - start) / 1000;
  await loader.dispose();
  return (batches * options.batch) / seconds;
}

const folder = mkdtempSync(join(tmpdir(), "espalier-decode-"));
try {
  for (const name of ["a", "b"]) {
    mkdirSync(join(folder, name));
    for (let image = 0; image < images / 2; image++) {
      const noise = { type: "gaussian", mean: 128, sigma: 60 } as const;
      await sharp({ create: { width, height, channels: 3, background: "black", noise } })
        .blur(1.5)
        .jpeg({ quality: 90 })
        .toFile(join(folder, name, `${image}.jpg`));
    }
  }
  const dataset = await openImages(folder, { size });
  const { train: split, normalization, augmentation } = dataset;
  const options: TrainingLoaderOptions = { split, normalization, augmentation, batch, seed: 1 };
  for (const workers of [1, 2]) {
    const rate = await decodeAlone(options, workers, Math.ceil(400 / batch));
    console.log(`decoding alone, ${workers} worker(s): ${rate.toFixed(0)} images/s`);
  }

  const network = { graph: model(values.model, { classes: 10, size }), weights: new Map() };
  const step = randomStep(withFactors(network, { select: {}, seed: 1 }), batch);
  const host = await EngineHost.start({ engine: "onednn", cacheFolder: kernelCacheFolder() });
  const plan = await host.prepare(step.graph, { batch });
  await plan.write(step.weights);
  const input = network.graph.inputs[0]?.name ?? "";
  const times: { random: number[]; decoded: number[] } = { random: [], decoded: [] };
  let waited = 0;
  for (let warmUp = 0; warmUp < 3; warmUp++) await plan.run(step.feeds);
  for (let round = 0; round < 3; round++) {
    for (let run = 0; run < steps; run++) {
      const start = performance.now();
      await plan.run(step.feeds);
      times.random.push(performance.now() - start);
    }
    const loader = new TrainingLoader(options);
    // Skip the first batches, which were prepared while nothing else ran.
    for (let ahead = 0; ahead < 5; ahead++) (await loader.next()).release();
    const before = loader.waitedMilliseconds;
    for (let run = 0; run < steps; run++) {
      const start = performance.now();
      const { images, release } = await loader.next();
      await plan.run({ ...step.feeds, [input]: images });
      release();
      times.decoded.push(performance.now() - start);
    }
    waited += loader.waitedMilliseconds - before;
    await loader.dispose();
  }
  console.log(
    `${values.model} at ${size}, batch ${batch}: a step takes ${spreadOf(times.random).median.toFixed(0)} ms ` +
      `on data that is there, ${spreadOf(times.decoded).median.toFixed(0)} ms on images decoded beside it ` +
      `(waited ${(waited / times.decoded.length).toFixed(1)} ms)`,
  );
  await plan.dispose();
  await host.dispose();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

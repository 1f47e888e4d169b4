/** What a run that prunes trained weights says about its cost. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { withRecipe } from "../../src/cli/recipe.ts";
import { saveOnnx } from "../../src/formats/onnx/index.ts";
import { outlook, roughDuration, usualLoss } from "../../src/training/hooks/outlook.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import type { GivenSettings } from "../../src/training/settings/flags.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "./tiny.ts";

test.each([
  [0.9, "less than 1 point"],
  [0.5, "0.5 to 1 point"],
  [0.4, "0.5 to 1 point"],
  [0.399, "1 to 3 points"],
  [0.1, "3 points or more"],
])("the usual loss at %d of the MACs is %s", (share, loss) => {
  expect(usualLoss(share)).toBe(loss);
});

test.each([
  [10, "less than a minute"],
  [70, "about a minute"],
  [150, "about 3 minutes"],
  [41 * 60, "about 40 minutes"],
  [87 * 60, "about 85 minutes"],
  [88 * 60, "about 1.5 hours"],
  [3 * 3600 + 100, "about 3 hours"],
  [100 * 3600, "about 4 days"],
])("%d seconds are %s", (seconds, words) => {
  expect(roughDuration(seconds)).toBe(words);
});

test("the line has budget, loss, length and time, and no loss for costs of which none is known", () => {
  expect(outlook({ budget: { of: "macs", share: 0.5 }, share: 0.5, epochs: 30, seconds: 2400 })).toBe(
    "Pruning to 50 % of the MACs usually costs 0.5 to 1 point of accuracy; " +
      "30 epochs take about 40 minutes here, less once the network is smaller",
  );
  expect(outlook({ budget: { of: "macs", count: 2e7 }, share: 0.3, epochs: 6, seconds: 30 })).toContain(
    "Pruning to 20,000,000 MACs usually costs 1 to 3 points of accuracy, and more in fewer than 15 epochs; 6 epochs",
  );
  expect(outlook({ budget: { of: "latency", share: 0.5 }, epochs: 1, seconds: 60 })).toBe(
    "1 epoch takes about a minute here, less once the network is smaller",
  );
});

test("a run from trained weights with a budget says it once, early, with the time of its own steps", async () => {
  const folder = temporaryFolder();
  const data = tinyDataset();
  const options: TrainOptions = { data, engine: "reference", epochs: 12, batch: 16, latency: false };
  const first = await train(tinyResnet(), { ...options, folder: join(folder, "first") });
  const file = join(folder, "trained.onnx");
  await saveOnnx(first.network, file);
  const told = async (name: string, more: Partial<TrainOptions>): Promise<readonly number[]> => {
    await train(file, { ...options, ...more, folder: join(folder, name) });
    const events = await readEvents(join(folder, name));
    return events.flatMap((event) =>
      event.type === "notice" && event.message.includes("less once the network is smaller") ? [event.step] : [],
    );
  };
  const steps = await told("budget", { budget: "60%" });
  expect(steps).toHaveLength(1);
  expect(steps[0]).toBeLessThanOrEqual(50);
  expect(await told("plain", { epochs: 9 })).toEqual([]);
});

test("trained weights that are pruned get 30 epochs, others what they had", () => {
  const epochsOf = (model: string, settings: GivenSettings): number | undefined =>
    withRecipe(undefined, { model, settings }).settings.epochs;
  expect(epochsOf("a.onnx", { budget: "50%" })).toBe(30);
  expect(epochsOf("a.onnx", { select: { neurons: 0.1 } })).toBe(30);
  expect(epochsOf("a.onnx", {})).toBe(15);
  expect(epochsOf("a.onnx", { budget: "50%", fromScratch: true })).toBe(40);
  expect(epochsOf("a.onnx", { budget: "50%", epochs: 7 })).toBe(7);
  expect(epochsOf("resnet-20", { budget: "50%" })).toBe(40);
});

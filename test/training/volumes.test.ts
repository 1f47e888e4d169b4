/** Networks of volumes: training by data sets refuses them, since these hold images, and says how they train. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { checkFit, inputOf } from "../../src/training/start/starting-network.ts";
import { train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyShape } from "./tiny.ts";

function volumes(): Graph {
  const [channels, height, width] = tinyShape;
  const builder = new GraphBuilder("clips");
  const clips = builder.input("clips", ["N", channels, 4, height, width]);
  const maps = builder.relu("relu", builder.convolution("stem", clips, { channels: 4, kernel: 3, padding: 1 }));
  builder.output(
    builder.linear("classifier", builder.flatten("flatten", builder.globalAveragePooling("pool", maps)), 3),
  );
  return builder.build();
}

test("have no shape of images", () => {
  expect(inputOf(volumes())).toBeUndefined();
});

test("are refused with how to train them", async () => {
  const data = tinyDataset();
  const message = /takes volumes, and data sets hold images.*trainingGraph\(\)/s;
  expect(() => checkFit(volumes(), data)).toThrow(message);
  const run = async (): Promise<unknown> =>
    await train(volumes(), { data, folder: join(temporaryFolder(), "run"), epochs: 1, engine: "reference" });
  await expect(run()).rejects.toThrow(message);
});

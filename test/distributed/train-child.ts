/** Run as a rank by the tests: trains the tiny network with the settings in its first argument, into the folder in its second. */
import { EspalierError } from "../../src/core/errors.ts";
import { isToldElsewhere } from "../../src/distributed/cluster.ts";
import { train } from "../../src/training/train.ts";
import { tinyDataset, tinyResnet } from "../training/tiny-network.ts";

const [settings = "{}", folder = ""] = process.argv.slice(2);
try {
  const run = await train(tinyResnet(), { data: tinyDataset(120, 40), folder, ...JSON.parse(settings) });
  console.log(`accuracy ${run.after.accuracy}`);
} catch (error) {
  if (!(error instanceof EspalierError)) throw error;
  if (!isToldElsewhere(error)) console.error(error.message);
  process.exitCode = error.exitCode;
}

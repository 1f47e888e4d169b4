/**
 * A rank of the tests. Arguments: "train" or "resume", the run's folder, settings, and what differs on rank 1
 * (settings; `images`: number of training images; `withNorms`: false for a network without batch norms). Each rank
 * writes its process id to a file beside the run's folder.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { EspalierError } from "../../src/core/errors.ts";
import { isReportedElsewhere } from "../../src/distributed/failure.ts";
import { detectLaunch } from "../../src/distributed/launch.ts";
import { resume } from "../../src/training/resume.ts";
import { hashWeights } from "../../src/training/run-folder/run-record.ts";
import { train } from "../../src/training/train.ts";
import { tinyDataset, tinyResnet, tinyWithoutNorms } from "../training/tiny-network.ts";

const [action, folder = "", settings = "{}", other = "{}"] = process.argv.slice(2);
const rank = detectLaunch()?.rank ?? 0;
mkdirSync(`${folder}.processes`, { recursive: true });
writeFileSync(`${folder}.processes/${rank}`, `${process.pid}`);
const {
  images = 120,
  withNorms = true,
  ...rest
} = { ...JSON.parse(settings), ...(rank === 1 ? JSON.parse(other) : {}) };
const data = tinyDataset(images, 40);
try {
  const run =
    action === "resume"
      ? await resume(folder, { data })
      : await train(withNorms ? tinyResnet() : tinyWithoutNorms(), { data, folder, ...rest });
  console.log(`rank ${rank}: accuracy ${run.after.accuracy}, compact ${hashWeights(run.compact.weights)}`);
} catch (error) {
  if (!(error instanceof EspalierError)) throw error;
  if (!isReportedElsewhere(error)) console.error(error.message);
  process.exitCode = error.exitCode;
}

/** A process for `loader.test.ts`: takes batches and returns without disposing of the loader. */
import { allocateSplit } from "../../src/data/dataset.ts";
import { TrainingLoader } from "../../src/data/loader.ts";

const loader = new TrainingLoader({
  split: allocateSplit(64, [1, 4, 4]),
  normalization: { mean: [0], standardDeviation: [1] },
  augmentation: { pad: 1, flip: true },
  batch: 8,
  seed: 1,
});
const { step } = await loader.next();
console.log(`took step ${step}`);

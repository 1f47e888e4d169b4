/** Classes with very different numbers of training images: what the user is told, and the weights that balance them. */
import type { Dataset } from "../../../data/dataset.ts";
import { imagesByLabel } from "../../../data/label-sets.ts";
import { countsOf, isUnbalanced } from "../../../evaluation/class-tally.ts";
import type { Settings } from "../../settings/settings.ts";

/**
 * The weight of an image of each class in the loss: n / (k · nᶜ) for nᶜ of n images and k classes that have images. The
 * mean over all images is 1, so that the learning rate keeps its meaning. Classes without images have weight 1.
 */
export function balancedWeights(counts: readonly number[]): readonly number[] {
  const images = counts.reduce((sum, count) => sum + count, 0);
  const classes = counts.filter((count) => count > 0).length;
  return counts.map((count) => (count === 0 ? 1 : images / (classes * count)));
}

/** Number of training images of each class. */
export function trainImagesOf({ train, classes, labelSets }: Dataset): readonly number[] {
  if (labelSets !== undefined) return imagesByLabel(train.labels, labelSets, classes.length);
  return countsOf(train.labels, classes.length);
}

/** The weights of the classes that `settings` ask for; undefined if they ask for none. */
export function classWeightsOf(
  { classWeights }: Pick<Settings, "classWeights">,
  dataset: Dataset,
): readonly number[] | undefined {
  return classWeights === undefined ? undefined : balancedWeights(trainImagesOf(dataset));
}

/** A sentence about unbalanced or missing classes of the training images, if there are any. */
export function classBalanceNotes(
  dataset: Dataset,
  { classWeights, teach }: Pick<Settings, "classWeights" | "teach">,
): readonly string[] {
  // Outputs are taught without labels.
  if (teach !== undefined) return [];
  const { classes, train, labelSets } = dataset;
  const counts = trainImagesOf(dataset);
  const named = classes.map((name, label) => ({ name: `"${name}"`, count: counts[label] ?? 0 }));
  const missing = named.filter(({ count }) => count === 0);
  const sorted = named.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count);
  const [most, least] = [sorted[0], sorted.at(-1)];
  return [
    ...(missing.length > 0
      ? [
          `There are no training images of the class${missing.length === 1 ? "" : "es"} ` +
            listOf(missing.map(({ name }) => name)),
        ]
      : []),
    // Of several labels, each has images with and without it, and the average precision counts rare ones as much.
    ...(most !== undefined && least !== undefined && labelSets === undefined && isUnbalanced(counts)
      ? [
          `The classes are unbalanced: ${most.name} has ${most.count} of ${train.count} training images, ` +
            `${least.name} has ${least.count}. ` +
            (classWeights === undefined
              ? "--class-weights balanced makes all classes count as much"
              : "Their images are weighted so that all classes count as much"),
        ]
      : []),
  ];
}

function listOf(names: readonly string[]): string {
  const rest = names.length - 5;
  return `${names.slice(0, 5).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

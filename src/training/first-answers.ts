/**
 * What a trained network answers before its first step. Answers no better than guessing mean that it sees other values,
 * or has other classes, than it was trained with. Training on would lose what the file's weights have learnt.
 */
import { firstImages, type Normalization } from "../data/dataset.ts";
import { measureAccuracy } from "../evaluation/accuracy.ts";
import { balancedAccuracy } from "../evaluation/class-tally.ts";
import type { EventBody } from "./events.ts";
import type { Session } from "./session.ts";
import { normalizationFlagsOf, usualNormalizations } from "./start/usual-normalizations.ts";

type Warning = Extract<EventBody, { type: "warning" }>;

/** Training images that are answered. */
const MOST_IMAGES = 256;
/** Standard deviations of guessing below which an accuracy counts as guessing, and above which another is better. */
const GUESSING = 1.5;
const BETTER = 4;

/** The warning about a network that guesses on its first training images; undefined if it does better. */
export async function warningOfFirstAnswers({ network, dataset }: Session): Promise<Warning | undefined> {
  const images = firstImages(dataset.train, MOST_IMAGES);
  const classifier = await network.classifier();
  const scored = async (normalization: Normalization): Promise<number> =>
    balancedAccuracy((await measureAccuracy(classifier, images, normalization)).classes);
  const { below, above } = guessing(dataset.classes.length, images.count);
  const accuracy = await scored(dataset.normalization);
  if (accuracy > below) return undefined;
  let best = { accuracy: above, flags: "" };
  for (const usual of usualNormalizations) {
    if (usual.mean.length !== dataset.sampleShape[0]) continue;
    const other = await scored(usual);
    if (other > best.accuracy) best = { accuracy: other, flags: normalizationFlagsOf(usual) };
  }
  return {
    type: "warning",
    reason: "starts-at-chance",
    message:
      `Before training, the network recognises ${accuracy.toFixed(1)} % of ${images.count} training images ` +
      "(mean over the classes), as guessing would: it probably gets other values than it was trained on",
    hint:
      best.flags === ""
        ? "Check --mean and --std, and that the classes are in the order of the network's outputs: " +
          dataset.classes.slice(0, 5).join(", ") +
          (dataset.classes.length > 5 ? ", …" : "")
        : `With ${best.flags} it recognises ${best.accuracy.toFixed(1)} %: start again with these values`,
  };
}

/** The percentages that guessing among `classes` stays below for most samples of `images`, and above for none. */
function guessing(classes: number, images: number): { readonly below: number; readonly above: number } {
  const chance = 1 / classes;
  const deviation = Math.sqrt((chance * (1 - chance)) / images);
  return { below: 100 * (chance + GUESSING * deviation), above: 100 * (chance + BETTER * deviation) };
}

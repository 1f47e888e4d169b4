/**
 * Which images are mirrored left to right. Alternating flip (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU",
 * 2024, section 3.6): an image is mirrored in every other epoch, and whether in the first one is drawn. Two epochs in
 * a row never show the same image twice.
 */
import { RandomStream, streamOf } from "../core/random.ts";

/** true: each image in each epoch with probability 1/2. "alternating": every other epoch. */
export type Flip = boolean | "alternating";

/** The names that settings have for flips; true and false stand for the first and the last. */
export const flipNames = ["random", "alternating", "none"] as const;
export type FlipName = (typeof flipNames)[number];

/** The flip that a setting means. */
export function flipOf(flip: Flip | FlipName): Flip {
  if (typeof flip === "boolean" || flip === "alternating") return flip;
  return flip === "random";
}

const alternatingStream = streamOf("alternating-flip");

/** Whether image `image` is mirrored in epoch `epoch`; `drawn`: what a flip at random drew for that epoch. */
export function isMirrored(flip: Flip, drawn: boolean, seed: number, epoch: number, image: number): boolean {
  if (flip !== "alternating") return flip && drawn;
  const isFirst = new RandomStream(seed, alternatingStream, image).integer(2) === 1;
  return isFirst === (epoch % 2 === 0);
}

/**
 * Chooses the training images that ranges are observed on, and others on which the results are compared. Test images
 * are never among them.
 */
import { UserError } from "../core/errors.ts";
import { RandomStream } from "../core/random.ts";
import { type Dataset, imagesAt, type Split } from "../data/dataset.ts";

export interface CalibrationImages {
  readonly calibration: Split;
  readonly heldOut: Split;
}

export const defaultImages = 512;
/** Enough that 0.3 points of accuracy are six images. */
export const defaultHeldOut = 2000;
/** Fewer images do not show the range of a value. */
const fewestImages = 16;
const seed = 1;

/**
 * Draws `images` calibration images and up to `heldOut` others from the training images. If there are too few for both
 * defaults, each gets half.
 * @throws UserError "bad-option" if there are fewer than 16 images for each, or all of them are of one class.
 */
export function calibrationImages(
  { name, classes, train }: Dataset,
  { images, heldOut = defaultHeldOut }: { readonly images?: number; readonly heldOut?: number },
): CalibrationImages {
  const wanted = images ?? Math.min(defaultImages, Math.floor(train.count / 2));
  if (wanted < fewestImages || train.count - wanted < fewestImages) {
    const isAsked = images !== undefined && train.count >= 2 * fewestImages;
    throw new UserError("bad-option", "there are too few calibration images", {
      about: name,
      expected: `at least ${fewestImages}, and as many others to compare on`,
      received: isAsked ? `${wanted} of ${train.count}` : `${train.count} training images`,
      hint: isAsked
        ? `Ask for ${fewestImages} to ${train.count - fewestImages} images; 512 are usual`
        : "Give the data that the network was trained on; labels are not used for calibration",
    });
  }
  const order = [...new RandomStream(seed, "calibration").permutation(train.count)];
  const calibration = imagesAt(train, order.slice(0, wanted));
  if (classes.length > 1 && new Set(calibration.labels).size < 2) {
    throw new UserError("bad-option", "all calibration images are of one class", {
      about: name,
      expected: "images of all classes, as the network will see them",
      received: `${wanted} images of the class "${classes[calibration.labels[0] ?? 0]}"`,
      hint: "Give data with images of several classes: ranges of one class clip the others",
    });
  }
  return { calibration, heldOut: imagesAt(train, order.slice(wanted, wanted + heldOut)) };
}

/** The rows of the table of settings about the random changes of training images, and the views of test images. */
import { z } from "zod";
import { type AugmentationOptions, borders } from "../../data/dataset.ts";
import { flipNames } from "../../data/flip.ts";
import { viewSets } from "../../evaluation/test-time-augmentation.ts";
import { choice, switchTo, wholeNumber } from "./codecs.ts";
import { setting } from "./setting.ts";

const share = z.number().min(0).max(1);
const range = z.tuple([z.number().positive(), z.number().positive()]).readonly();
const flip = z.union([z.boolean(), z.enum(flipNames)]).exactOptional();

const augmentation: z.ZodType<boolean | AugmentationOptions, boolean | AugmentationOptions> = z.union([
  z.boolean(),
  z.strictObject({ pad: z.int().nonnegative().exactOptional(), flip, border: z.enum(borders).exactOptional() }),
  z.strictObject({
    area: range.exactOptional(),
    aspect: range.exactOptional(),
    flip,
    colour: share.exactOptional(),
    noise: z.number().nonnegative().exactOptional(),
  }),
]);

export const testTimeSettings = {
  testTimeAugmentation: setting({
    schema: z.enum(viewSets).exactOptional(),
    help: "also score both networks over several views of each test image at the end: flip or flip+shift",
    group: "machine",
    default: "none",
    inBaseline: "inherit",
    flags: [{ flag: "--tta <views>", codec: choice("set of views", viewSets), label: "test-time augmentation" }],
  }),
};

export const augmentationSettings = {
  augment: setting({
    schema: augmentation.default(true),
    help: "augment training images: true for the dataset's default, false for none, or changes of the default",
    group: "training",
    inBaseline: "inherit",
    complete: (given, base) => ({ ...base, ...given }),
    flags: [
      {
        flag: "--flip <how>",
        part: "flip",
        codec: choice("flip", flipNames),
        help: "mirror images left to right: random, alternating (every other epoch) or none",
        default: "the dataset's",
        label: "flip",
      },
      {
        flag: "--pad <pixels>",
        part: "pad",
        codec: wholeNumber(0),
        help: "pixels around an image before it is cropped to its size at random",
        default: "the dataset's",
        label: "pad",
      },
      {
        flag: "--border <how>",
        part: "border",
        codec: choice("border", borders),
        help: "these pixels: black, or reflect to mirror the image there",
        default: "black",
        label: "border",
      },
      {
        flag: "--no-augment",
        codec: switchTo(false),
        help: "train without augmentation",
        label: "augment images",
      },
    ],
  }),
};

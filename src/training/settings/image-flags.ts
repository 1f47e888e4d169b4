/**
 * Flags that decide how image files are prepared. They are options of the data, not settings of a run, but have the
 * same form.
 */
import type { ImageFileOptions } from "../../data/images/open.ts";
import { number, numbers, size, wholeNumber } from "./codecs.ts";
import type { Flag } from "./setting.ts";

export interface ImageFlag extends Flag {
  readonly option: keyof ImageFileOptions;
  readonly help: string;
  readonly label: string;
}

/** Flags that decide which images are held out for testing. */
const splitFlags: readonly ImageFlag[] = [
  {
    flag: "--test-share <n>",
    option: "testShare",
    codec: number,
    help: "share of each class's images that is held out for testing, if the data has no test part",
    default: "0.2",
    label: "share held out",
  },
  {
    flag: "--split-seed <n>",
    option: "splitSeed",
    codec: wholeNumber(0),
    help: "seed that decides which images are held out for testing",
    default: "1",
    label: "seed of the split",
  },
];

/** Flags for mean and standard deviation; `standard`: their default, in words. */
export function normalizationFlags(standard: string): readonly ImageFlag[] {
  return [
    {
      flag: "--mean <numbers>",
      option: "mean",
      codec: numbers,
      help: "mean that is subtracted from pixels / 255: one number for each channel",
      default: standard,
      label: "mean",
    },
    {
      flag: "--std <numbers>",
      option: "standardDeviation",
      codec: numbers,
      help: "standard deviation that the difference is divided by: one number for each channel",
      default: standard,
      label: "standard deviation",
    },
  ];
}

/** The flag for images of 16 bits a channel. */
const whiteFlag: ImageFlag = {
  flag: "--white <value>",
  option: "white",
  codec: wholeNumber(),
  help: "value that is white in 16-bit images",
  default: "2^n − 1, for the n bits that the images use",
  label: "white of 16-bit images",
};

export const imageFlags: readonly ImageFlag[] = [
  {
    flag: "--size <pixels>",
    option: "size",
    codec: size,
    help: "height and width of the images: 224, or 192x256",
    default: "the network's input size",
    label: "size",
  },
  ...normalizationFlags("ImageNet's"),
  ...splitFlags,
  whiteFlag,
];

/** The flags for a network whose file says how its images are prepared. */
export const fileImageFlags: readonly ImageFlag[] = [...normalizationFlags("the file's"), ...splitFlags, whiteFlag];

/**
 * Flags on how image files are prepared. They are options of the data, not settings of a run, and are written alike.
 */
import type { ImageFileOptions } from "../../data/images/open.ts";
import { number, numbers, size, wholeNumber } from "./codecs.ts";
import type { Flag } from "./setting.ts";

export interface ImageFlag extends Flag {
  readonly option: keyof ImageFileOptions;
  readonly help: string;
  readonly label: string;
}

/** What says which images are held out. */
export const splitFlags: readonly ImageFlag[] = [
  {
    flag: "--test-share <n>",
    option: "testShare",
    codec: number,
    help: "share of each class's images that is held out, where the data has no test part",
    default: "0.2",
    label: "share held out",
  },
  {
    flag: "--split-seed <n>",
    option: "splitSeed",
    codec: wholeNumber(0),
    help: "decides which images are held out",
    default: "1",
    label: "seed of the split",
  },
];

/** What pixels are shifted and scaled by; `standard`: the default, in words. */
export function normalizationFlags(standard: string): readonly ImageFlag[] {
  return [
    {
      flag: "--mean <numbers>",
      option: "mean",
      codec: numbers,
      help: "what is subtracted from pixels / 255, a number a channel",
      default: standard,
      label: "mean",
    },
    {
      flag: "--std <numbers>",
      option: "standardDeviation",
      codec: numbers,
      help: "what the difference is divided by, a number a channel",
      default: standard,
      label: "standard deviation",
    },
  ];
}

export const imageFlags: readonly ImageFlag[] = [
  {
    flag: "--size <pixels>",
    option: "size",
    codec: size,
    help: "height and width: 224, or 192x256",
    default: "what the network takes",
    label: "size",
  },
  ...normalizationFlags("ImageNet's"),
  ...splitFlags,
];

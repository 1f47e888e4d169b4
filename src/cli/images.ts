/** Options on how image files are prepared, shared by the commands that open data. */
import type { Command } from "commander";
import { UserError } from "../core/errors.ts";
import type { ImageFileOptions } from "../data/images/open.ts";
import { integerFor, numberFor, numbersFor } from "./values.ts";

export interface ImageFlags {
  readonly size?: readonly [number, number];
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly testShare?: number;
  readonly splitSeed?: number;
}

/** `224`, or `192x256` for height and width. */
export function parseSize(text: string): readonly [number, number] {
  const parts = text.toLowerCase().split("x");
  if (parts.length > 2) {
    throw new UserError("bad-option", "not a size", {
      about: "--size",
      expected: "224 or 192x256",
      received: text,
      hint: "Give one number for square images, or height and width with an x between them",
    });
  }
  const [height = 0, width = height] = parts.map(integerFor("--size"));
  return [height, width];
}

/** Adds what says which images are held out. */
export function addSplitOptions(command: Command): Command {
  return command
    .option(
      "--test-share <n>",
      "of each class's images held out, where the data has no test part (default: 0.2)",
      numberFor("--test-share"),
    )
    .option("--split-seed <n>", "decides which those are (default: 1)", integerFor("--split-seed", 0));
}

/** Adds all of them. */
export function addImageOptions(command: Command): Command {
  command
    .optionsGroup("Image files:")
    .option("--size <pixels>", "height and width (default: what the network takes)", parseSize)
    .option(
      "--mean <numbers>",
      "subtracted from pixels / 255, a number a channel (default: ImageNet's)",
      numbersFor("--mean"),
    )
    .option("--std <numbers>", "divided by then, a number a channel (default: ImageNet's)", numbersFor("--std"));
  return addSplitOptions(command);
}

/** What the user said, and nothing else. */
export function imageOptions({ size, mean, std, testShare, splitSeed }: ImageFlags): ImageFileOptions {
  return {
    ...(size === undefined ? {} : { size }),
    ...(mean === undefined ? {} : { mean }),
    ...(std === undefined ? {} : { standardDeviation: std }),
    ...(testShare === undefined ? {} : { testShare }),
    ...(splitSeed === undefined ? {} : { splitSeed }),
  };
}

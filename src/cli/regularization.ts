/** Options on what a run learns from and how its steps are kept in bounds. */
import type { Command } from "commander";
import { UserError } from "../core/errors.ts";
import type { Mixing } from "../data/mixing.ts";
import type { DistillOptions, SettingsInput } from "../training/options.ts";
import { numberFor, numbersFor } from "./values.ts";

export interface RegularizationFlags {
  readonly fromScratch?: true;
  readonly freezeBn?: true;
  readonly fixBnScale?: true;
  readonly labelSmoothing?: number;
  readonly mixup?: number | true;
  readonly cutmix?: number | true;
  readonly clip?: number;
  readonly distill?: DistillOptions | true;
}

/** `0.5,4`, or the first of the two alone. */
export function parseDistill(text: string): DistillOptions {
  const [weight, temperature, ...more] = numbersFor("--distill")(text);
  if (more.length > 0) {
    throw new UserError("bad-option", "not a weight and a temperature", {
      about: "--distill",
      expected: "0.5 or 0.5,4",
      received: text,
      hint: "Give the weight of the teacher's answers and, if you like, a temperature, with a comma between them",
    });
  }
  return {
    ...(weight === undefined ? {} : { weight }),
    ...(temperature === undefined ? {} : { temperature }),
  };
}

/** Adds all of them. */
export function addRegularizationOptions(command: Command): Command {
  return command
    .optionsGroup("From trained weights (an ONNX file):")
    .option("--from-scratch", "leave the file's weights and draw new ones, with the learning rate for them")
    .option("--freeze-bn", "normalise by the file's running statistics, which then stay")
    .option(
      "--distill [α,T]",
      "learn from the original's answers too: their part in the loss, and the temperature (default: 0.5,4)",
      parseDistill,
    )
    .optionsGroup("Against overfitting and for steady steps:")
    .option("--label-smoothing <ε>", "share of each label spread over all classes", numberFor("--label-smoothing"))
    .option("--mixup [α]", "blend images in pairs, by shares of Beta(α, α) (default: 0.2)", numberFor("--mixup"))
    .option("--cutmix [α]", "paste a part of one image into another (default: 1)", numberFor("--cutmix"))
    .option("--fix-bn-scale", "leave the scales of batch norms as they are, so that none makes up for a scaling factor")
    .option("--clip <norm>", "shorten the gradient of the weights to this norm", numberFor("--clip"));
}

function mixingFor({ mixup, cutmix }: RegularizationFlags): Mixing | undefined {
  if (mixup !== undefined && cutmix !== undefined) {
    throw new UserError("bad-option", "--mixup and --cutmix exclude each other", { hint: "Give one of them" });
  }
  if (mixup !== undefined) return { kind: "mixup", alpha: mixup === true ? 0.2 : mixup };
  if (cutmix !== undefined) return { kind: "cutmix", alpha: cutmix === true ? 1 : cutmix };
  return undefined;
}

/** What the user said, and nothing else. */
export function regularizationSettings(flags: RegularizationFlags): Partial<SettingsInput> {
  const { fromScratch, freezeBn, fixBnScale, labelSmoothing, clip, distill } = flags;
  const mixing = mixingFor(flags);
  return {
    ...(fromScratch === undefined ? {} : { fromScratch }),
    ...(freezeBn === undefined ? {} : { freezeBatchNorm: freezeBn }),
    ...(fixBnScale === undefined ? {} : { fixBatchNormScale: fixBnScale }),
    ...(labelSmoothing === undefined ? {} : { labelSmoothing }),
    ...(mixing === undefined ? {} : { mixing }),
    ...(clip === undefined ? {} : { clipNorm: clip }),
    ...(distill === undefined ? {} : { distill: distill === true ? {} : distill }),
  };
}

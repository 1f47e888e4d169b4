/** The rows of the table of settings about the task: labels, inputs and outputs, and the last layer. */
import { z } from "zod";
import { optional } from "../../core/optional.ts";
import type { InputColumns } from "../../data/dataset.ts";
import { choice, names, switchTo, wholeNumber } from "./codecs.ts";
import { columnsSchema, inputColumns } from "./columns.ts";
import { fixedInputs } from "./fixed-input.ts";
import { setting } from "./setting.ts";
import { teachingSettings } from "./teaching.ts";

export const tasks = ["classes", "multi-label"] as const;

export const taskSettings = {
  ...teachingSettings,
  task: setting({
    schema: z.enum(tasks).exactOptional(),
    help: "what labels are: classes, one for each image, or multi-label, any number of labels for each image",
    group: "task",
    default: "classes",
    inBaseline: "inherit",
    flags: [{ flag: "--task <what>", codec: choice("task", tasks), label: "task" }],
  }),
  columns: setting({
    schema: columnsSchema.exactOptional(),
    help: "columns of the data's table for inputs besides the images: x=age+weight, or words, x=colour:index:red:blue",
    group: "task",
    default: "none",
    inBaseline: "inherit",
    flags: [{ flag: "--columns <names>", codec: inputColumns, label: "columns of inputs" }],
  }),
  outputs: setting({
    schema: z.array(z.string().min(1)).min(1).readonly().exactOptional(),
    help: "end the network at these values of the file; the nodes that follow are copied unchanged",
    group: "weights",
    default: "the file's outputs, or the last values that Espalier can read",
    inBaseline: "omit",
    flags: [{ flag: "--outputs <names>", codec: names, label: "outputs" }],
  }),
  inputs: setting({
    schema: z.record(z.string(), z.union([z.number(), z.array(z.number()).readonly()])).exactOptional(),
    help: "fixed values of the file's inputs besides the images: a number or a .npy file each, as scale=1,mask=m.npy",
    group: "weights",
    default: "none: the images are the only input",
    inBaseline: "omit",
    flags: [{ flag: "--input <values>", codec: fixedInputs, label: "fixed inputs" }],
  }),
  keepHead: setting({
    schema: z.boolean().exactOptional(),
    help: "keep the network's last layer, and refuse data of another number of classes",
    group: "weights",
    default: "false",
    inBaseline: "omit",
    flags: [{ flag: "--keep-head", codec: switchTo(true), label: "keep the last layer" }],
  }),
  headEpochs: setting({
    schema: z.int().positive().exactOptional(),
    help: "train only the last layer in this many epochs at the start, at the peak of the learning rate",
    group: "weights",
    unit: "epochs",
    default: "0",
    inBaseline: "omit",
    flags: [{ flag: "--head-epochs <n>", codec: wholeNumber(), label: "epochs of the last layer alone" }],
  }),
};

/** The options for opening data that follow from the settings: which labels it has, and its columns of numbers. */
export function tableOptionsOf({
  task,
  teach,
  columns,
}: {
  readonly task?: unknown;
  readonly teach?: unknown;
  readonly columns?: InputColumns | undefined;
}): { readonly unlabelled: boolean; readonly severalLabels: boolean; readonly columns?: InputColumns } {
  return {
    unlabelled: teach !== undefined,
    severalLabels: task === "multi-label" && teach === undefined,
    ...optional({ columns }),
  };
}

/** The rows of the table of settings about what a trained network learns anew. */
import { z } from "zod";
import { names, switchTo, wholeNumber } from "./codecs.ts";
import { setting } from "./setting.ts";
import { teachingSettings } from "./teaching.ts";

export const taskSettings = {
  ...teachingSettings,
  outputs: setting({
    schema: z.array(z.string().min(1)).min(1).readonly().exactOptional(),
    help: "values of the file where the network ends; what hangs behind them is written again unread",
    group: "weights",
    default: "the file's outputs, or where the nodes end that can be read",
    control: "omit",
    flags: [{ flag: "--outputs <names>", codec: names, label: "outputs" }],
  }),
  keepHead: setting({
    schema: z.boolean().exactOptional(),
    help: "keep the network's last layer, and refuse data of another number of classes",
    group: "weights",
    default: "false",
    control: "omit",
    flags: [{ flag: "--keep-head", codec: switchTo(true), label: "keep the last layer" }],
  }),
  headEpochs: setting({
    schema: z.int().positive().exactOptional(),
    help: "train the last layer alone in this many epochs at the start, at the peak of the learning rate",
    group: "weights",
    unit: "epochs",
    default: "0",
    control: "omit",
    flags: [{ flag: "--head-epochs <n>", codec: wholeNumber(), label: "epochs of the last layer alone" }],
  }),
};

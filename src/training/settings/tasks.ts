/** The rows of the table of settings about what a trained network learns anew. */
import { z } from "zod";
import { switchTo, wholeNumber } from "./codecs.ts";
import { setting } from "./setting.ts";

export const taskSettings = {
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

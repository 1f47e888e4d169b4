/** Which optimizer trains the weights. */
import { z } from "zod";
import { choice } from "./codecs.ts";
import { setting } from "./setting.ts";

const optimizers = ["sgd", "muon"] as const;

export const optimizerSettings = {
  optimizer: setting({
    schema: z.enum(optimizers).exactOptional(),
    help:
      "optimizer of the weights: sgd is SGD with Nesterov momentum; muon makes the steps of convolutions orthogonal, " +
      "so that a run needs fewer epochs",
    group: "training",
    default: "sgd",
    inBaseline: "inherit",
    flags: [{ flag: "--optimizer <name>", codec: choice("optimizer", optimizers), label: "optimizer" }],
  }),
};

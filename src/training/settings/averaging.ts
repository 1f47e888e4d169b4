/** The row of the table of settings about averaged weights. */
import { z } from "zod";
import { choice } from "./codecs.ts";
import { setting } from "./setting.ts";

const shared = {
  /** Steps between two updates of the average. */
  every: z.int().positive().default(5),
  /** The power of the run's progress that the decay is multiplied by; 0 for a constant decay. */
  power: z.number().nonnegative().default(3),
};
/** Share of the average that stays in one step. */
const decay = z.number().min(0).lt(1);

const averagingSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("ema"), ...shared, decay: decay.default(0.99) }),
  z.strictObject({ kind: z.literal("lookahead"), ...shared, decay: decay.default(0.95) }),
]);

export type AveragingSettings = Readonly<z.output<typeof averagingSchema>>;

export const averagingSettings = {
  averageWeights: setting({
    schema: averagingSchema.exactOptional(),
    help: "average the weights over steps: { kind, every, decay, power }",
    group: "regularization",
    default: "none",
    inBaseline: "inherit",
    flags: [
      {
        flag: "--average-weights <kind>",
        part: "kind",
        codec: choice("kind of average", ["ema", "lookahead"]),
        help: "average the weights: ema exports the average, lookahead also trains on from it every few steps",
        default: "none",
        label: "average weights",
      },
    ],
  }),
};

/** An output that is taught, as `run.json` keeps it. */
import { z } from "zod";
import { type OutputKind, outputKinds } from "../../graph/taught-outputs.ts";

export interface TaughtOutput {
  readonly name: string;
  readonly kind: OutputKind;
  /** Mean square of its distance from the mean of the channel, over training images; of channels their mean. */
  readonly variance: number;
  /** Of channels: mean square of the distance of each number from its own mean over the images, by channel. */
  readonly variances?: readonly number[];
}

export const taughtOutputSchema: z.ZodType<TaughtOutput> = z.strictObject({
  name: z.string(),
  kind: z.enum(outputKinds),
  variance: z.number().nonnegative(),
  variances: z.array(z.number().nonnegative()).readonly().exactOptional(),
});

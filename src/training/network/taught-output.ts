/** An output that is taught, as `run.json` keeps it. */
import { z } from "zod";
import { type OutputKind, outputKinds } from "../../graph/taught-outputs.ts";

export interface TaughtOutput {
  readonly name: string;
  readonly kind: OutputKind;
  /** Mean square of its distance from the mean of the channel, over training images. */
  readonly variance: number;
}

export const taughtOutputSchema: z.ZodType<TaughtOutput> = z.strictObject({
  name: z.string(),
  kind: z.enum(outputKinds),
  variance: z.number().nonnegative(),
});

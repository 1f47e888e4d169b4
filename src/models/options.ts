/** What every model of the zoo is asked for: what goes in and how many classes come out. */
import { UserError } from "../core/errors.ts";
import type { SymbolicShape } from "../graph/graph.ts";

export interface ImageOptions {
  /** Number of classes: the width of the logits. */
  readonly classes: number;
  /** Channels of the input images; 3 for colour (the default), 1 for grey. */
  readonly channels?: number;
  /** Height and width of the input images in pixels; default 32. */
  readonly size?: number;
}

/** Shape of the input value "images": `["N", channels, size, size]`. Throws `UserError("bad-option")` on sizes that are no positive integers. */
export function imageShape({ classes, channels = 3, size = 32 }: ImageOptions): SymbolicShape {
  for (const [option, value] of Object.entries({ classes, channels, size })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new UserError("bad-option", `${option} of a model must be a positive whole number`, {
        expected: "1 or more",
        received: `${value}`,
      });
    }
  }
  return ["N", channels, size, size];
}

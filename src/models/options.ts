/** What every model of the zoo is asked for: what goes in and how many classes come out. */
import { UserError } from "../core/errors.ts";
import type { SymbolicShape } from "../graph/graph.ts";

export interface ImageOptions {
  /** Number of classes: the width of the logits. */
  readonly classes: number;
  /** Channels of the input images; 3 for colour (the default), 1 for grey. */
  readonly channels?: number;
  /** Height and width of the input images in pixels; the default is what the model was made for: 32 or 224. */
  readonly size?: number;
}

/** The images that a model was made for. */
export interface NativeImages {
  /** Height and width in pixels. */
  readonly size: number;
  /** The smallest size that its poolings leave a pixel of; default 1. */
  readonly smallest?: number;
  /** What the size must be a multiple of; default 1. */
  readonly multiple?: number;
}

/** Images of CIFAR. */
export const small: NativeImages = { size: 32 };
/** Images of ImageNet. */
export const large: NativeImages = { size: 224 };

/**
 * Shape of the input value "images": `["N", channels, size, size]`. Throws `UserError("bad-option")` on sizes that are
 * no positive integers, or that the model has no use for.
 */
export function imageShape(options: ImageOptions, native: NativeImages = small): SymbolicShape {
  const { classes, channels = 3, size = native.size } = options;
  for (const [option, value] of Object.entries({ classes, channels, size })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new UserError("bad-option", `${option} of a model must be a positive whole number`, {
        expected: "1 or more",
        received: `${value}`,
        hint: "Choose a whole number from 1",
      });
    }
  }
  const { smallest = 1, multiple = 1 } = native;
  if (size < smallest || size % multiple !== 0) {
    throw new UserError("bad-option", "the model halves its images too often for this size", {
      about: "size of a model",
      expected: multiple === 1 ? `${smallest} or more` : `a multiple of ${multiple}, ${smallest} or more`,
      received: `${size}`,
      hint: "Choose another size of images, or a model for small ones (docs/models.md)",
    });
  }
  return ["N", channels, size, size];
}

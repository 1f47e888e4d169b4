/** The options that all models share: the shape of the input and the number of classes. */
import { UserError } from "../core/errors.ts";
import type { SymbolicShape } from "../graph/graph.ts";

/** The options of a model for images. */
export interface ImageOptions {
  /** Number of classes: the width of the logits. */
  readonly classes: number;
  /** Channels of the input images; 3 for colour (the default), 1 for grey. */
  readonly channels?: number;
  /** Height and width of the input images in pixels. The default depends on the model: 32 or 224. */
  readonly size?: number;
}

/** The image sizes of a model. */
export interface NativeImages {
  /** The default height and width in pixels. */
  readonly size: number;
  /** The smallest allowed size, of which the poolings leave at least one pixel; default 1. */
  readonly smallest?: number;
  /** The size must be a multiple of this; default 1. */
  readonly multiple?: number;
}

/** The image size of CIFAR. */
export const small: NativeImages = { size: 32 };
/** The usual image size of ImageNet models. */
export const large: NativeImages = { size: 224 };

/**
 * The shape of the input "images": `["N", channels, size, size]`. Throws `UserError("bad-option")` if a number is not a
 * positive integer, or if the model does not support the size.
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

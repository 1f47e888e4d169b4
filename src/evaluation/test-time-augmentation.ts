/**
 * Test-time augmentation: the logits of an image are averaged over several views of it. The views and weights are those
 * of airbench94 (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024): the image and its mirror image; with
 * "flip+shift", half of the weight goes to both of them moved by a pixel, up and left or down and right, with a
 * reflected border.
 *
 * It costs as many forward passes as there are views, so its accuracy is a number of its own beside the network's.
 */
import { UserError } from "../core/errors.ts";
import { type Tensor, tensor } from "../core/tensor.ts";
import type { Classifier } from "./classifier.ts";

export const viewSets = ["flip", "flip+shift"] as const;
export type ViewSet = (typeof viewSets)[number];

/** A view: pixel (y, x) is the image's pixel (y + shift, x + shift), or its mirror image's. */
interface View {
  readonly weight: number;
  readonly shift: -1 | 0 | 1;
  readonly isMirrored: boolean;
}

function pair(weight: number, shift: View["shift"]): readonly View[] {
  return [false, true].map((isMirrored) => ({ weight: weight / 2, shift, isMirrored }));
}

const views: { readonly [Set in ViewSet]: readonly View[] } = {
  flip: pair(1, 0),
  "flip+shift": [...pair(0.5, 0), ...pair(0.25, -1), ...pair(0.25, 1)],
};

/** Number of views of `set`. */
export function viewCount(set: ViewSet): number {
  return views[set].length;
}

/** `classifier` with the weighted mean of the logits of all views. Disposing of it disposes of `classifier`. */
export function averagingViews(classifier: Classifier, set: ViewSet): Classifier {
  return {
    batch: classifier.batch,
    logits: async (images, inputs) => {
      let sum: Float64Array | undefined;
      let shape: Tensor["shape"] = [];
      for (const view of views[set]) {
        const logits = await classifier.logits(viewed(images, view), inputs);
        shape = logits.shape;
        sum ??= new Float64Array(logits.data.length);
        for (let index = 0; index < sum.length; index++) {
          sum[index] = (sum[index] ?? 0) + view.weight * (logits.data[index] ?? 0);
        }
      }
      return tensor(shape, Float32Array.from(sum ?? []));
    },
    dispose: () => classifier.dispose(),
  };
}

/** The view of `images` [N,C,H,W], in shared memory. */
function viewed(images: Tensor, { shift, isMirrored }: View): Tensor {
  if (shift === 0 && !isMirrored) return images;
  const [count = 0, channels = 0, height = 0, width = 0] = images.shape;
  if (shift !== 0 && Math.min(height, width) < 2) {
    throw new UserError("bad-option", "images of one pixel cannot be shifted", {
      expected: "at least 2 × 2 pixels",
      received: `${height} × ${width}`,
      hint: "Average over flip alone",
    });
  }
  const { data } = images;
  const output = new Float32Array(new SharedArrayBuffer(data.byteLength));
  for (let plane = 0; plane < count * channels; plane++) {
    for (let y = 0; y < height; y++) {
      const from = (plane * height + reflected(y + shift, height)) * width;
      const to = (plane * height + y) * width;
      for (let x = 0; x < width; x++) {
        const column = reflected((isMirrored ? width - 1 - x : x) + shift, width);
        output[to + x] = data[from + column] ?? 0;
      }
    }
  }
  return tensor(images.shape, output);
}

/** `index`, or the place beside the border if it is one outside. */
function reflected(index: number, length: number): number {
  if (index < 0) return -index;
  return index < length ? index : 2 * (length - 1) - index;
}

/** A U-Net of three levels that finds where the shape of a made picture is. */
import { taughtInput } from "../../src/autodiff/loss.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { madePictures, SHAPES_NORMALIZATION as normalization, SIDE } from "../shared/made-shapes.ts";
import { block, normalizationText, type Task } from "./task.ts";

const PIXELS = SIDE * SIDE;

function unet(): Graph {
  const builder = new GraphBuilder("unet");
  const images = builder.input("images", ["N", 3, SIDE, SIDE]);
  const fine = block(builder, "down1b", block(builder, "down1a", images, 16), 16);
  const middle = block(builder, "down2", builder.maxPooling("pool1", fine, { kernel: 2, strides: 2 }), 32);
  const deep = block(builder, "deep", builder.maxPooling("pool2", middle, { kernel: 2, strides: 2 }), 48);
  const up2 = builder.concatenation("join2", [builder.upsampling("up2", deep, 2), middle]);
  const up1 = builder.concatenation("join1", [builder.upsampling("up1", block(builder, "back2", up2, 32), 2), fine]);
  const last = block(builder, "back1", up1, 16);
  builder.output(builder.convolution("mask", last, { channels: 1, kernel: 1, padding: 0, bias: true }));
  return builder.build();
}

/** Intersection over union of the shape, over all pictures, in percent. */
function overlap(found: Float32Array, masks: Tensor): number {
  let [both, either] = [0, 0];
  for (const [index, value] of found.entries()) {
    const [isFound, isRight] = [value > 0.5, (masks.data[index] ?? 0) > 0.5];
    if (isFound && isRight) both++;
    if (isFound || isRight) either++;
  }
  return (100 * both) / either;
}

export function segmentation(): Task {
  const graph = unet();
  const [learnt, held] = [madePictures(2048, 1), madePictures(512, 2)];
  return {
    ...{ name: "segmentation", learnt: learnt.split, held: held.split, normalization },
    lesson: {
      ...{ graph, terms: [{ kind: "values", weight: 1, variance: 0.1 }], epochs: 8, peak: 0.04 },
      feeds: (index) => ({ [taughtInput("mask")]: learnt.masks.data.subarray(index * PIXELS, (index + 1) * PIXELS) }),
    },
    file: (weights) => writeOnnx({ graph, weights }, { metadata: { normalization: normalizationText(normalization) } }),
    halving: { epochs: 8 },
    scores: (outputs) => ({
      IoU: { value: overlap(outputs.get("mask")?.data ?? new Float32Array(), held.masks), unit: "%" },
    }),
  };
}

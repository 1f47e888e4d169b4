/** A classifier with two heads: the shape in a made picture, and its colour. */
import { taughtInput } from "../../src/autodiff/loss.ts";
import { required } from "../../src/core/errors.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { rowOf } from "../../src/evaluation/classifier.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { madePictures, SHAPES_NORMALIZATION as normalization, SIDE } from "../shared/made-shapes.ts";
import { block, largest, normalizationText, type Score, sure, sureOf, type Task } from "./task.ts";

const [SHAPE, COLOUR] = ["shape_logits", "colour_logits"];

function twoHeads(): Graph {
  const builder = new GraphBuilder("two-heads");
  let value = builder.input("images", ["N", 3, SIDE, SIDE]);
  for (const [index, channels] of [16, 32, 64].entries()) {
    value = block(builder, `block${index + 1}`, value, channels);
    value = builder.maxPooling(`pool${index + 1}`, value, { kernel: 2, strides: 2 });
  }
  const flat = builder.flatten("flat", builder.globalAveragePooling("mean", block(builder, "last", value, 64)));
  builder.output(builder.linear(SHAPE, flat, 2));
  builder.output(builder.linear(COLOUR, flat, 3));
  return builder.build();
}

function shareRight(logits: Tensor | undefined, labels: Int32Array): Score {
  const given = required(logits, "logits");
  const right = labels.filter((label, image) => largest(rowOf(given, image)) === label).length;
  return { value: (100 * right) / labels.length, unit: "%" };
}

export function heads(): Task {
  const graph = twoHeads();
  const [learnt, held] = [madePictures(2048, 1), madePictures(512, 2)];
  return {
    ...{ name: "heads", learnt: learnt.split, held: held.split, normalization },
    lesson: {
      ...{ graph, terms: [sure, sure], epochs: 8, peak: 0.04 },
      feeds: (index) => ({
        [taughtInput(SHAPE)]: sureOf(learnt.shapes[index] ?? 0, 2),
        [taughtInput(COLOUR)]: sureOf(learnt.colours[index] ?? 0, 3),
      }),
    },
    file: (weights) => writeOnnx({ graph, weights }, { metadata: { normalization: normalizationText(normalization) } }),
    halving: { epochs: 8 },
    scores: (outputs) => ({
      shape: shareRight(outputs.get(SHAPE), held.shapes),
      colour: shareRight(outputs.get(COLOUR), held.colours),
    }),
  };
}

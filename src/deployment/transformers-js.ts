/**
 * Writes a network as a folder that transformers.js loads like a model of its hub: `config.json` with the names of the
 * classes, `preprocessor_config.json` with what happens to images, `onnx/model.onnx`, and `labels.txt`.
 *
 * The library runs any network of image classification in the same way: it feeds `pixel_values`, and takes a softmax of
 * `logits`. "resnet" stands for all of them in `config.json`, because the library refuses a type that it does not know.
 */
import { dirname, join } from "node:path";
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import type { Normalization } from "../data/dataset.ts";
import { makeFolder, writeBytes } from "../formats/file.ts";
import { saveOnnx } from "../formats/onnx/index.ts";
import type { Network } from "../graph/graph.ts";
import { bindBatch, inferShapes } from "../graph/shapes.ts";
import { standardNames, withStandardNames } from "./standard-names.ts";

export interface TransformersJsOptions {
  /** Mean and standard deviation of pixels / 255 that the network was trained with. */
  readonly normalization: Normalization;
  /** Names of the classes in the order of the logits; default: LABEL_0, LABEL_1, … */
  readonly classes?: readonly string[];
  /** Fraction of each side that the centre crop of an image keeps; default: images are scaled as a whole. */
  readonly centreCrop?: number;
}

/** Files of the folder, relative to it. */
export const transformersJsFiles = {
  config: "config.json",
  preprocessor: "preprocessor_config.json",
  labels: "labels.txt",
  network: "onnx/model.onnx",
} as const;

/** Numbers that libraries of Python and JavaScript give to ways of scaling images. */
const LANCZOS = 1;

/**
 * Writes `network` to `folder` for transformers.js.
 * @throws UserError "unsupported" for a network that is not an image classifier, "bad-option" if the options do not fit
 * it, and the errors of writing files.
 */
export async function saveForTransformersJs(
  network: Network,
  folder: string,
  options: TransformersJsOptions,
): Promise<void> {
  requireArguments("saveForTransformersJs", {
    network: [network, "network"],
    folder: [folder, "text"],
    options: [options, "object"],
  });
  requireArguments("saveForTransformersJs", {
    "options.normalization": [options.normalization, "normalization"],
    "options.classes": [options.classes, "texts?"],
    "options.centreCrop": [options.centreCrop, "number?"],
  });
  const standard = withStandardNames(network);
  const { graph } = standard;
  const count = inferShapes(graph, 1).get(standardNames.output)?.[1] ?? 0;
  const classes = options.classes ?? Array.from({ length: count }, (_, label) => `LABEL_${label}`);
  if (classes.length !== count) {
    throw new UserError("bad-option", "there is not one name for each class of the network", {
      ...{ about: "classes", expected: `${count} names`, received: String(classes.length) },
      hint: "Give the names of all classes in the order of the logits, or none",
    });
  }
  const write = (file: string, content: string): Promise<void> =>
    writeBytes(join(folder, file), new TextEncoder().encode(content));
  const json = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;
  const preprocessor = json(preprocessorOf(standard, options));
  await makeFolder(join(folder, dirname(transformersJsFiles.network)));
  await saveOnnx(standard, join(folder, transformersJsFiles.network));
  await write(transformersJsFiles.preprocessor, preprocessor);
  await write(transformersJsFiles.labels, `${classes.join("\n")}\n`);
  await write(transformersJsFiles.config, json(configOf(classes)));
}

function configOf(classes: readonly string[]): object {
  return {
    architectures: ["ResNetForImageClassification"],
    model_type: "resnet",
    num_labels: classes.length,
    id2label: Object.fromEntries(classes.map((name, label) => [String(label), name])),
    label2id: Object.fromEntries(classes.map((name, label) => [name, label])),
    "transformers.js_config": { dtype: "fp32" },
  };
}

function preprocessorOf({ graph }: Network, { normalization, centreCrop }: TransformersJsOptions): object {
  const [, channels = 3, height = 0, width = 0] = bindBatch(graph.inputs[0]?.shape ?? [], 1);
  const { mean, standardDeviation } = normalization;
  const each = (values: readonly number[]): readonly number[] =>
    values.length === 1 ? Array.from({ length: channels }, () => values[0] ?? 0) : values;
  const hint = "Give the values that the network was trained with";
  if (each(mean).length !== channels || each(standardDeviation).length !== channels) {
    throw new UserError("bad-option", "there is not one mean and one deviation for each channel", {
      ...{ about: "normalization", expected: `${channels} numbers or one` },
      ...{ received: `${mean.length} and ${standardDeviation.length}`, hint },
    });
  }
  if (!standardDeviation.every((deviation) => deviation > 0)) {
    throw new UserError("bad-option", "a standard deviation is above 0", {
      ...{ about: "normalization", expected: "numbers above 0", received: standardDeviation.join(), hint },
    });
  }
  if (centreCrop !== undefined && !(centreCrop > 0 && centreCrop <= 1)) {
    throw new UserError("bad-option", "a centre crop keeps more than 0 and at most the whole of each side", {
      ...{ about: "centreCrop", expected: "a fraction of 0 … 1", received: String(centreCrop) },
      hint: "Give a fraction such as 0.875, or leave it out to scale whole images",
    });
  }
  const shortest = Math.round(Math.min(height, width) / (centreCrop ?? 1));
  return {
    image_processor_type: "BitImageProcessor",
    do_convert_rgb: true,
    do_resize: true,
    size: centreCrop === undefined ? { height, width } : { shortest_edge: shortest },
    resample: LANCZOS,
    do_center_crop: centreCrop !== undefined,
    crop_size: { height, width },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: each(mean),
    image_std: each(standardDeviation),
  };
}

/** A super-resolution network with residual blocks and a pixel shuffle: photos of CIFAR-10 from half their size. */
import sharp from "sharp";
import { taughtInput } from "../../src/autodiff/loss.ts";
import { allocateSplit, type StoredSplit } from "../../src/data/dataset.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, Weights } from "../../src/graph/graph.ts";
import { photos } from "../shared/photos.ts";
import { normalizationText, type Task } from "./task.ts";

const [HIGH, LOW] = [32, 16];
const VALUES = 3 * HIGH * HIGH;
const CHANNELS = 16;
/** About that of what the blocks add to the enlarged picture. */
const VARIANCE = 0.005;
const normalization = { mean: [0, 0, 0], standardDeviation: [1, 1, 1] } as const;

function network(): Graph {
  const builder = new GraphBuilder("super-resolution");
  const convolution = (name: string, src: string, channels: number): string =>
    builder.convolution(name, src, { channels, kernel: 3, padding: 1, bias: true });
  const images = builder.input("images", ["N", 3, LOW, LOW]);
  let value = builder.relu("first.relu", convolution("first", images, CHANNELS));
  for (const name of ["block1", "block2", "block3"]) {
    const inner = builder.relu(`${name}.relu`, convolution(`${name}.conv1`, value, CHANNELS));
    value = builder.add(`${name}.sum`, value, convolution(`${name}.conv2`, inner, CHANNELS));
  }
  const detail = builder.node("depth_to_space", "shuffle", [convolution("last", value, 12)], { block: 2, mode: "CRD" });
  const size = [HIGH, HIGH] as const;
  const enlarged = builder.resampling("enlarged", images, { method: "linear", coordinates: "half_pixel", size });
  builder.output(builder.add("picture", enlarged, detail));
  return builder.build();
}

/** The initial weights with little detail: large sums would kill most neurons in the first steps. */
function quiet(weights: Weights): Weights {
  return new Map(
    [...weights].map(([name, value]) => [
      name,
      /^(.*\.conv2|last)\.weights$/.test(name) ? { ...value, data: value.data.map((weight) => weight / 10) } : value,
    ]),
  );
}

/** Each pixel of the result is the mean of 2 × 2 pixels. */
function reduced({ images, count }: StoredSplit): StoredSplit {
  const split = allocateSplit(count, [3, LOW, LOW]);
  for (let at = 0; at < split.images.length; at++) {
    const [plane, pixel] = [Math.floor(at / (LOW * LOW)), at % (LOW * LOW)];
    const from = plane * HIGH * HIGH + 2 * Math.floor(pixel / LOW) * HIGH + 2 * (pixel % LOW);
    const sum = [0, 1, HIGH, HIGH + 1].reduce((all, step) => all + (images[from + step] ?? 0), 0);
    split.images[at] = Math.round(sum / 4);
  }
  return split;
}

/** Mean PSNR of pictures [count, 3, 32, 32] of 0 … 1. */
function meanPsnr(found: Float32Array, { images, count }: StoredSplit): number {
  let total = 0;
  for (let image = 0; image < count; image++) {
    let squares = 0;
    for (let at = image * VALUES; at < (image + 1) * VALUES; at++) {
      const value = Math.min(1, Math.max(0, found[at] ?? 0));
      squares += (value - (images[at] ?? 0) / 255) ** 2;
    }
    total += 10 * Math.log10(VALUES / squares);
  }
  return total / count;
}

/** What bicubic enlargement, which learns nothing, makes of `low`. */
async function bicubic({ images, count }: StoredSplit): Promise<Float32Array> {
  const result = new Float32Array(count * VALUES);
  for (let plane = 0; plane < 3 * count; plane++) {
    const pixels = images.slice(plane * LOW * LOW, (plane + 1) * LOW * LOW);
    const enlarged = await sharp(pixels, { raw: { width: LOW, height: LOW, channels: 1 } })
      .resize(HIGH, HIGH, { kernel: "cubic" })
      .extractChannel(0)
      .raw()
      .toBuffer();
    result.set(
      Float32Array.from(enlarged, (value) => value / 255),
      plane * HIGH * HIGH,
    );
  }
  return result;
}

export async function superResolution(): Promise<Task> {
  const graph = network();
  const [high, target] = [await photos(0, 4096), await photos(40_000, 512)];
  const [learnt, held] = [reduced(high), reduced(target)];
  const plain = meanPsnr(await bicubic(held), target);
  return {
    ...{ name: "super-resolution", learnt, held, normalization },
    lesson: {
      ...{ graph, terms: [{ kind: "values", weight: 1, variance: VARIANCE }], epochs: 10, peak: 0.04, begin: quiet },
      feeds: (index) => ({
        [taughtInput("picture")]: Float32Array.from(
          high.images.subarray(index * VALUES, (index + 1) * VALUES),
          (value) => value / 255,
        ),
      }),
    },
    file: (weights) => writeOnnx({ graph, weights }, { metadata: { normalization: normalizationText(normalization) } }),
    halving: { epochs: 8 },
    scores: (outputs) => ({
      PSNR: { value: meanPsnr(outputs.get("picture")?.data ?? new Float32Array(), target), unit: "dB" },
    }),
    notes: [`Bicubic enlargement of the same pictures: ${plain.toFixed(2)} dB.`],
  };
}

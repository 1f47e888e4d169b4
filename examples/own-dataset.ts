// A dataset of your own: the program draws grey discs, squares and crosses of random size and position. A dataset has
// two splits of 8-bit pixels with a label for each image, the names of the classes, and the normalization of pixels.
import { train } from "espalier";
import { allocateSplit, type Dataset, type StoredSplit } from "espalier/datasets";
import { GraphBuilder } from "espalier/graph";

const [classes, side] = [["disc", "square", "cross"], 24];

function shapes(count: number, seed: number): StoredSplit {
  const split = allocateSplit(count, [1, side, side]);
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let image = 0; image < count; image++) {
    const [label, radius] = [random(3), 5 + random(4)];
    const [x, y] = [radius + random(side - 2 * radius), radius + random(side - 2 * radius)];
    const isInside = (dx: number, dy: number): boolean =>
      label === 0 ? dx * dx + dy * dy <= radius * radius : label === 1 || Math.min(Math.abs(dx), Math.abs(dy)) <= 1;
    for (let pixel = 0; pixel < side * side; pixel++) {
      const [dx, dy] = [(pixel % side) - x, Math.floor(pixel / side) - y];
      const isNear = Math.max(Math.abs(dx), Math.abs(dy)) <= radius;
      split.images[image * side * side + pixel] = random(60) + (isNear && isInside(dx, dy) ? 180 : 0);
    }
    split.labels[image] = label;
  }
  return split;
}

const data: Dataset = {
  name: "shapes",
  classes,
  sampleShape: [1, side, side],
  normalization: { mean: [0.3], standardDeviation: [0.3] },
  augmentation: { pad: 2, flip: true },
  train: shapes(2000, 1),
  test: shapes(500, 2),
};

const builder = new GraphBuilder("shapes-net");
let value = builder.input("images", ["N", 1, side, side]);
for (const [index, channels] of [16, 32].entries()) {
  value = builder.convolution(`conv${index}`, value, { channels, kernel: 3, padding: 1, strides: 2 });
  value = builder.relu(`relu${index}`, builder.batchNormalization(`norm${index}`, value));
}
const pooled = builder.flatten("flatten", builder.globalAveragePooling("pool", value));
builder.output(builder.linear("classifier", pooled, classes.length));

const run = await train(builder.build(), { data, select: { neurons: 0.005 }, epochs: 6, batch: 50 });
console.log(`${run.after.accuracy} % accurate with ${run.after.macs} of ${run.before.macs} MACs`);

/**
 * Soft labels, mixup (Zhang et al., ICLR 2018) and cutmix (Yun et al., ICCV 2019). All of them give one distribution
 * over the classes for each image, which a loss of soft targets takes.
 *
 * Partners are images of the same batch, paired from its two ends inwards, so no image is read twice. The fraction that
 * image i of epoch e takes from its partner depends on (seed, e, i) alone, and the images of a batch depend on (seed,
 * e) alone.
 */
import { UserError } from "../core/errors.ts";
import { RandomStream, streamOf } from "../core/random.ts";
import { type SampleShape, sampleSize } from "./dataset.ts";
import type { LabelSets } from "./label-sets.ts";

/**
 * How images are mixed, with λ ~ Beta(alpha, alpha). "mixup": λ·image + (1 − λ)·partner. "cutmix": a box of 1 − λ of
 * the area comes from the partner.
 */
export interface Mixing {
  readonly kind: "mixup" | "cutmix";
  readonly alpha: number;
}

/**
 * How labels become targets: (1 − smoothing)·label + smoothing / classes, mixed as the images are. With sets of labels,
 * smoothing / 2 is added to each class.
 */
export interface SoftLabels {
  readonly classes: number;
  /** At least 0 and below 1. */
  readonly smoothing: number;
  readonly mixing?: Mixing;
  /** The weight of each class in the loss: the targets of an image add up to the weight of its label. Default: 1. */
  readonly weights?: readonly number[];
  /** The sets of classes that labels stand for. Classes are then independent, and targets are 0 … 1. */
  readonly sets?: LabelSets;
}

/** A batch that is changed in place. */
export interface MixedBatch {
  /** Normalised [N,C,H,W]. */
  readonly images: Float32Array;
  /** [N]. */
  readonly labels: Int32Array;
  /** [N, classes]. */
  readonly targets: Float32Array;
}

const mixingStream = streamOf("mixing");

/**
 * The logarithm of a sample of the gamma distribution with shape `shape` > 0 and scale 1 (Marsaglia and Tsang, ACM TOMS
 * 26, 2000).
 */
function logGamma(random: RandomStream, shape: number): number {
  if (shape < 1) return logGamma(random, shape + 1) + Math.log(1 - random.uniform()) / shape;
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  while (true) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return Math.log(d * v);
  }
}

/**
 * A sample of Beta(alpha, alpha). It is computed from logarithms: for a small alpha, both gamma samples are too small
 * for a floating-point number.
 */
export function betaSample(random: RandomStream, alpha: number): number {
  return 1 / (1 + Math.exp(logGamma(random, alpha) - logGamma(random, alpha)));
}

/** The box of an image that comes from its partner: rows and columns, end exclusive. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/**
 * A box of 1 − `share` of the area, with its centre anywhere in the image. The part of the box outside the image is
 * lost, as in cutmix.
 */
export function randomBox(random: RandomStream, share: number, height: number, width: number): Box {
  const side = Math.sqrt(1 - share);
  const span = (extent: number): readonly [number, number] => {
    const length = Math.floor(extent * side);
    const start = random.integer(extent) - Math.floor(length / 2);
    return [Math.max(0, start), Math.min(extent, start + length)];
  };
  const [top, bottom] = span(height);
  const [left, right] = span(width);
  return { top, left, bottom, right };
}

/**
 * Mixes the images of `batch` in place and writes their targets. `indices`: index in the split of the image in each
 * slot.
 * @returns by slot the fraction that comes from its partner, the image of slot count − 1 − slot.
 * @throws UserError "bad-option" for a label that is not a class.
 */
export function softenBatch(
  { images, labels, targets }: MixedBatch,
  indices: Int32Array,
  shape: SampleShape,
  { classes, smoothing, mixing, weights, sets }: SoftLabels,
  seed: number,
  epoch: number,
): Float64Array {
  const count = labels.length;
  const size = sampleSize(shape);
  for (const [slot, label] of labels.entries()) {
    const most = sets?.length ?? classes;
    if (label < 0 || label >= most) throw noClass(indices[slot] ?? slot, label, most);
  }
  targets.fill(smoothing / (sets === undefined ? classes : 2));
  const addTarget = (slot: number, of: number, share: number): void => {
    const label = labels[of] ?? 0;
    for (const one of sets === undefined ? [label] : (sets[label] ?? [])) {
      const at = slot * classes + one;
      targets[at] = (targets[at] ?? 0) + share * (1 - smoothing);
    }
  };
  const mixer = mixing === undefined ? undefined : mixers[mixing.kind];
  const partnerShares = new Float64Array(count);
  for (let slot = 0; 2 * slot < count; slot++) {
    const partner = count - 1 - slot;
    if (mixing === undefined || mixer === undefined || partner === slot) {
      addTarget(slot, slot, 1);
      if (partner !== slot) addTarget(partner, partner, 1);
      continue;
    }
    const draw = (of: number): RandomStream => new RandomStream(seed, mixingStream, epoch, indices[of] ?? 0);
    const one = images.subarray(slot * size, (slot + 1) * size);
    const other = images.subarray(partner * size, (partner + 1) * size);
    const [share, otherShare] = mixer(one, other, shape, mixing.alpha, draw(slot), draw(partner));
    addTarget(slot, slot, share);
    addTarget(slot, partner, 1 - share);
    addTarget(partner, partner, otherShare);
    addTarget(partner, slot, 1 - otherShare);
    partnerShares[slot] = 1 - share;
    partnerShares[partner] = 1 - otherShare;
  }
  if (weights !== undefined) weigh(targets, labels, classes, weights, partnerShares);
  return partnerShares;
}

/** Scales the targets of each image by the weight of its labels, which are mixed as its partner's share says. */
function weigh(
  targets: Float32Array,
  labels: Int32Array,
  classes: number,
  weights: readonly number[],
  partnerShares: Float64Array,
): void {
  const weightOf = (slot: number): number => weights[labels[slot] ?? 0] ?? 1;
  for (const [slot, share] of partnerShares.entries()) {
    const weight = (1 - share) * weightOf(slot) + share * weightOf(labels.length - 1 - slot);
    for (let at = slot * classes; at < (slot + 1) * classes; at++) targets[at] = (targets[at] ?? 0) * weight;
  }
}

/** Mixes two images with each other, in place. Returns the fraction that each keeps of itself. */
type Mixer = (
  one: Float32Array,
  other: Float32Array,
  shape: SampleShape,
  alpha: number,
  random: RandomStream,
  otherRandom: RandomStream,
) => readonly [number, number];

const mixers: { readonly [Kind in Mixing["kind"]]: Mixer } = {
  mixup: (one, other, _shape, alpha, random, otherRandom) => {
    const share = betaSample(random, alpha);
    const otherShare = betaSample(otherRandom, alpha);
    for (let at = 0; at < one.length; at++) {
      const [a, b] = [one[at] ?? 0, other[at] ?? 0];
      one[at] = share * a + (1 - share) * b;
      other[at] = otherShare * b + (1 - otherShare) * a;
    }
    return [share, otherShare];
  },
  cutmix: (one, other, shape, alpha, random, otherRandom) => {
    const [, height, width] = shape;
    const box = randomBox(random, betaSample(random, alpha), height, width);
    const otherBox = randomBox(otherRandom, betaSample(otherRandom, alpha), height, width);
    const before = one.slice();
    copyBox(other, one, box, shape);
    copyBox(before, other, otherBox, shape);
    return [keptShare(box, height, width), keptShare(otherBox, height, width)];
  },
};

function copyBox(from: Float32Array, to: Float32Array, { top, left, bottom, right }: Box, shape: SampleShape): void {
  const [channels, height, width] = shape;
  for (let channel = 0; channel < channels; channel++) {
    for (let row = top; row < bottom; row++) {
      const start = (channel * height + row) * width;
      if (right > left) to.set(from.subarray(start + left, start + right), start + left);
    }
  }
}

/** Fraction of the area outside the box. */
function keptShare({ top, left, bottom, right }: Box, height: number, width: number): number {
  return 1 - (Math.max(0, bottom - top) * Math.max(0, right - left)) / (height * width);
}

function noClass(image: number, label: number, classes: number): UserError {
  return new UserError("bad-option", "a label is not a class of the network", {
    about: `label of image ${image}`,
    expected: `0 … ${classes - 1}`,
    received: String(label),
    hint: "Build the network with as many classes as the data has",
  });
}

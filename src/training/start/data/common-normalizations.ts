/** The usual ways in which networks have their images normalised, for hints and to try out. */
import type { Normalization } from "../../../data/dataset.ts";

export interface CommonNormalization extends Normalization {
  readonly name: string;
}

/** 1 / 255 to as many digits as make 255 again. */
const BYTE = 0.00392157;

export const commonNormalizations: readonly CommonNormalization[] = [
  {
    name: "ImageNet's, as torchvision and timm",
    mean: [0.485, 0.456, 0.406],
    standardDeviation: [0.229, 0.224, 0.225],
  },
  { name: "CIFAR-10's", mean: [0.4914, 0.4822, 0.4465], standardDeviation: [0.247, 0.2435, 0.2616] },
  { name: "values 0 … 1", mean: [0, 0, 0], standardDeviation: [1, 1, 1] },
  { name: "values −1 … 1", mean: [0.5, 0.5, 0.5], standardDeviation: [0.5, 0.5, 0.5] },
  { name: "values 0 … 255", mean: [0, 0, 0], standardDeviation: [BYTE, BYTE, BYTE] },
];

/** `--mean 0,0,0 --std 1,1,1` */
export function normalizationFlagsOf({ mean, standardDeviation }: Normalization): string {
  return `--mean ${mean.join(",")} --std ${standardDeviation.join(",")}`;
}

/** The steps that are compared with PyTorch, and how many times as fast each is meant to be. */
import { type Precision, precisions } from "../../src/engine/engine.ts";

export interface Case {
  readonly model: string;
  readonly batch: number;
  readonly precision: Precision;
  /** Times the speed of the peer's better memory format; undefined for a step that has no target. */
  readonly target: number | undefined;
}

interface Network {
  readonly batch: number;
  readonly targets: Readonly<Record<Precision, number>>;
}

const networks: Readonly<Record<string, Network>> = {
  "resnet-20": { batch: 128, targets: { f32: 1.5, bf16: 1.75 } },
  "resnet-56": { batch: 128, targets: { f32: 1.5, bf16: 1.65 } },
  "vgg-16": { batch: 64, targets: { f32: 2, bf16: 1.4 } },
  "resnet-50": { batch: 8, targets: { f32: 1.5, bf16: 1.3 } },
  "resnext-20": { batch: 128, targets: { f32: 1.3, bf16: 1.3 } },
};

const DEFAULT_BATCH = 128;

export interface Choice {
  readonly model: string | undefined;
  readonly batch: number | undefined;
  readonly precision: Precision | undefined;
}

/** The cases that are left of the table by a choice of model, batch or precision; a model that it lacks has no target. */
export function casesOf({ model, batch, precision }: Choice): readonly Case[] {
  const models = model === undefined ? Object.keys(networks) : [model];
  return models.flatMap((name) =>
    precisions
      .filter((one) => precision === undefined || one === precision)
      .map((one) => {
        const network = networks[name];
        const usual = network?.batch ?? DEFAULT_BATCH;
        const chosen = batch ?? usual;
        return {
          model: name,
          batch: chosen,
          precision: one,
          target: chosen === usual ? network?.targets[one] : undefined,
        };
      }),
  );
}

/** The training steps that are compared with PyTorch, and the target speed of each. */
import { thisProcessor } from "../../src/core/processor.ts";
import { type Precision, precisions } from "../../src/engine/engine.ts";

export interface Case {
  readonly model: string;
  readonly batch: number;
  readonly precision: Precision;
  /** Speed relative to the peer's best; undefined for a step without a target on this kind of processor. */
  readonly target: number | undefined;
}

/** Kinds of processors that have targets of their own. */
type ProcessorKind = "amx" | "avx512" | "avx2";

interface Network {
  readonly batch: number;
  /** bf16 with AMX, bf16 with AVX-512 alone, f32 with AVX-512, f32 with AVX2 alone. */
  readonly targets: readonly [amxBf16: number, avx512Bf16: number, avx512F32: number, avx2F32: number];
}

const networks: Readonly<Record<string, Network>> = {
  "resnet-20": { batch: 128, targets: [3, 1.6, 1.6, 1.2] },
  "resnet-56": { batch: 128, targets: [2.5, 1.4, 1.5, 1.2] },
  "vgg-16": { batch: 64, targets: [2, 1.4, 2, 1.2] },
  "resnet-50": { batch: 8, targets: [2, 1.3, 1.4, 1.1] },
  "resnext-20": { batch: 128, targets: [2, 1.6, 1.8, 1.2] },
};

const DEFAULT_BATCH = 128;

/** The kind of a processor, from the names of its instruction sets. */
function processorKind(instructionSets: readonly string[]): ProcessorKind {
  if (instructionSets.some((name) => name.startsWith("amx"))) return "amx";
  return instructionSets.some((name) => name.startsWith("avx512")) ? "avx512" : "avx2";
}

function targetOf(
  { targets: [amxBf16, avx512Bf16, avx512F32, avx2F32] }: Network,
  precision: Precision,
  kind: ProcessorKind,
) {
  if (precision === "f32") return kind === "avx2" ? avx2F32 : avx512F32;
  return { amx: amxBf16, avx512: avx512Bf16, avx2: undefined }[kind];
}

export interface Choice {
  readonly model: string | undefined;
  readonly batch: number | undefined;
  readonly precision: Precision | undefined;
}

/** The cases of the table with the chosen model, batch and precision. A model outside of the table has no target. */
export function casesOf({ model, batch, precision }: Choice): readonly Case[] {
  const kind = processorKind(thisProcessor().instructionSets ?? []);
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
          target: network !== undefined && chosen === usual ? targetOf(network, one, kind) : undefined,
        };
      }),
  );
}

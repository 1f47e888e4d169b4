/**
 * `state.json` of a checkpoint: progress, states of hooks and hashes, with a hash of itself. Reads earlier versions
 * too.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { optional } from "../../core/optional.ts";
import type { KernelChoices } from "../../engine/engine.ts";
import { type CutStep, cutStepSchema } from "../../pruning/cut-list.ts";
import type { EpochSums, Json } from "../hooks/run-hook.ts";
import { type Seal, sealSchema } from "./seal.ts";

export interface Progress {
  /** Steps done. */
  readonly step: number;
  /** Sums of the current epoch; all zero at its start. */
  readonly sums: EpochSums;
  /** Kernel choices of each plan, so that a resumed run continues bit for bit. */
  readonly choices: {
    readonly training: KernelChoices;
    readonly evaluation: KernelChoices;
    readonly teacher?: KernelChoices;
  };
  /** The cuts made while training. */
  readonly cuts: readonly CutStep[];
  /** Whether a hook ended training at this step, before the run's last one; default false. */
  readonly isEnded?: boolean;
}

/** The files of a checkpoint. */
export const checkpointFiles = {
  network: "network.onnx",
  optimizer: "optimizer.safetensors",
  state: "state.json",
} as const;

/** The content of `state.json`. */
export interface CheckpointState {
  readonly progress: Progress;
  /** State of the hooks and of the γ policy, by their names. */
  readonly hooks: Readonly<Record<string, Json>>;
  /** Seal of `run.json`; missing in checkpoints of older versions. */
  readonly seal?: Seal;
  /** Of the other two files. */
  readonly sha256: Readonly<Record<typeof checkpointFiles.network | typeof checkpointFiles.optimizer, string>>;
}

const choices = z.record(z.string(), z.string());
const progress = {
  step: z.int().nonnegative(),
  sums: z.strictObject({
    steps: z.int().nonnegative(),
    loss: z.number(),
    correct: z.number(),
    milliseconds: z.number(),
  }),
  choices: z.strictObject({ training: choices, evaluation: choices, teacher: choices.exactOptional() }),
  // Left out while there are none.
  cuts: z.array(cutStepSchema).exactOptional(),
};
const common = {
  seal: sealSchema.exactOptional(),
  sha256: z.strictObject({ [checkpointFiles.network]: z.string(), [checkpointFiles.optimizer]: z.string() }),
};
/** Files of versions in which the budget was the only hook with a state, which was part of `progress`. */
const version1 = z.strictObject({
  version: z.literal(1),
  progress: z.strictObject({ ...progress, budget: z.json().exactOptional() }),
  ...common,
});
const version2 = z.strictObject({
  version: z.literal(2),
  progress: z.strictObject({ ...progress, isEnded: z.boolean().exactOptional() }),
  hooks: z.record(z.string(), z.json()),
  ...common,
});
const anyVersion = z.discriminatedUnion("version", [version1, version2]);
type AnyVersion = z.infer<typeof anyVersion>;
const file = z.strictObject({ body: anyVersion, sha256: z.string() });

/** The text of `state.json`. */
export function formatState({ progress: { cuts, ...others }, hooks, seal, sha256 }: CheckpointState): string {
  // Parsing puts the keys into the schema's order, which the hash needs when the file is read.
  const body = version2.parse({
    version: 2,
    progress: cuts.length > 0 ? { ...others, cuts } : others,
    hooks,
    ...optional({ seal }),
    sha256,
  });
  return `${JSON.stringify({ body, sha256: hashOf(body) }, undefined, 2)}\n`;
}

/**
 * Reads the text of `state.json`; `isIntact`: whether its hash is right. Throws the errors of JSON and of the schema.
 */
export function parseState(text: string): { readonly state: CheckpointState; readonly isIntact: boolean } {
  const { body, sha256 } = file.parse(JSON.parse(text));
  const { progress: read, hooks, seal, sha256: ofFiles } = asVersion2(body);
  const state = { progress: { ...read, cuts: read.cuts ?? [] }, hooks, ...optional({ seal }), sha256: ofFiles };
  return { state, isIntact: hashOf(body) === sha256 };
}

function asVersion2(body: AnyVersion): z.infer<typeof version2> {
  if (body.version === 2) return body;
  const { budget, ...others } = body.progress;
  return { ...body, version: 2, progress: others, hooks: optional({ budget }) };
}

function hashOf(body: AnyVersion): string {
  return createHash("sha256").update(JSON.stringify(body)).digest("hex");
}

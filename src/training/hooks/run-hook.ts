/**
 * What may take part in a run beside the training itself: told of each step and each epoch, with a part of the
 * checkpoint of its own. Checkpoints, pruning while training, progress and warnings are hooks, and so is whatever a
 * caller adds.
 */
import type { z } from "zod";
import { UserError } from "../../core/errors.ts";
import type { Weights } from "../../graph/graph.ts";
import type { Factor } from "../../selection/factors.ts";
import type { EventBody, LayerStructures, NetworkCost } from "../events.ts";
import type { TrainingState } from "../network/full-size-state.ts";

/** Plain JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** Sums over the part of an epoch that is done, so that a resumed epoch reports what an uninterrupted one would. */
export interface EpochSums {
  readonly steps: number;
  /** Of the batches' mean losses. */
  readonly loss: number;
  readonly correct: number;
  readonly milliseconds: number;
}

/** A run under way. Under MPI every rank has the same in it: what is decided from it is decided alike on all. */
export interface TrainingRun {
  /** Steps done since the start of the run, those before a break included. */
  readonly step: number;
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
  /** The epoch that the last step belonged to, counted from 1. */
  readonly epoch: number;
  readonly isEpochEnd: boolean;
  /** Of the epoch under way. */
  readonly sums: EpochSums;
  /** The scaling factors as the run began; pruning takes nothing away here. */
  readonly factors: readonly Factor[];
  /** Of the step that comes after `step` others. */
  learningRateAt(step: number): number;
  /** The factors λ and their velocities as they are now, both by the factors' parameters; what was pruned is zero. */
  readFactors(): Promise<{ readonly factors: Weights; readonly velocities: Weights }>;
  /** Tells an event, say a notice: it is logged, and handed to whoever follows the run. */
  emit(event: EventBody): void;
  /** Has a checkpoint written once all hooks have seen the step. */
  requestCheckpoint(): void;
  /** Ends training with the step that was made last: the network is pruned, certified and saved as it is now. */
  endTraining(): void;
}

/** One training step. */
export interface StepResult {
  /** Mean over the batch, as it was before the step. */
  readonly loss: number;
  /** Images of the batch that were answered rightly. */
  readonly correct: number;
  readonly learningRate: number;
  /** From asking for the batch to the end of the step, and what of it was spent waiting for the batch. */
  readonly milliseconds: number;
  readonly waitedMilliseconds: number;
}

/** One epoch, scored. */
export interface EpochResult {
  /** Counted from 1. */
  readonly epoch: number;
  readonly steps: number;
  /** Of training alone; scoring is not in it. */
  readonly milliseconds: number;
  /** Means over the batches as they were trained on, with augmentation. Accuracies are percents. */
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  readonly testAccuracy: number;
  readonly testImages: number;
  /** What would be left if the network were pruned now. */
  readonly cost: NetworkCost;
  /** How many structures of each layer are not zero. */
  readonly layers: readonly LayerStructures[];
  /** The network and its optimizer's state, in the shape that the run began with. */
  readonly state: TrainingState;
}

/** Every method may be left out. What a method throws ends the run. */
export interface RunHook {
  /** Its part of a checkpoint goes by it: no two hooks of a run have the same. */
  readonly name: string;
  /** Before the first step of a session. `state`: what `state()` gave to the checkpoint; undefined in a new run. */
  begin?(run: TrainingRun, state: Json | undefined): void | Promise<void>;
  afterStep?(run: TrainingRun, step: StepResult): void | Promise<void>;
  /** At the end of an epoch, after `afterStep`. */
  afterEpoch?(run: TrainingRun, epoch: EpochResult): void | Promise<void>;
  /** The run was asked to stop, to be resumed later. */
  interrupted?(run: TrainingRun): void | Promise<void>;
  /** After the last step; the hook that began first is the last to end. */
  end?(run: TrainingRun): void | Promise<void>;
  /** What it needs to go on from a checkpoint as if there had been no break. */
  state?(): Json;
}

const builtInNames = [
  ...["budget", "constant", "delayed"],
  ...["progress", "warnings", "pruning-speed", "online-pruning", "checkpoints"],
] as const;

/**
 * @throws UserError "bad-option" if two of `hooks`, which a caller hands in, or one of them and one of ours share a
 * name.
 */
export function requireOwnNames(hooks: readonly RunHook[]): void {
  const taken = new Set<string>(builtInNames);
  for (const { name } of hooks) {
    if (taken.has(name)) {
      throw new UserError("bad-option", `there are two hooks called "${name}"`, {
        about: "hooks",
        hint: "Give yours another name: a hook's part of a checkpoint goes by it",
      });
    }
    taken.add(name);
  }
}

/**
 * @throws UserError "bad-option" if a checkpoint holds the state of a hook that is neither one of ours nor among
 * `hooks`: the run would go on otherwise than it began.
 */
export function requireOwners(states: Readonly<Record<string, Json>>, hooks: readonly RunHook[]): void {
  const owners = new Set<string>([...builtInNames, ...hooks.map(({ name }) => name)]);
  const orphan = Object.keys(states).find((name) => !owners.has(name));
  if (orphan === undefined) return;
  throw new UserError("bad-option", `the run was trained with the hook "${orphan}"`, {
    about: "hooks",
    hint: `Hand it over again: resume(folder, { hooks: [${orphan}] })`,
  });
}

/** `state` of a checkpoint as `schema` reads it; throws `UserError("bad-checkpoint")` if it is of another version. */
export function readHookState<T>(name: string, schema: z.ZodType<T>, state: Json): T {
  const parsed = schema.safeParse(state);
  if (parsed.success) return parsed.data;
  throw new UserError("bad-checkpoint", `the state of "${name}" in the checkpoint is not one that this version reads`, {
    about: "state.json",
    hint: "Go on with the version of Espalier that began the run, or train it again under another name",
    cause: parsed.error,
  });
}

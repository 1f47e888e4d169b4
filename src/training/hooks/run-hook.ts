/**
 * Hooks: objects that a run calls after each step and each epoch. A hook may keep state in the checkpoints.
 * Checkpoints, pruning while training, progress reports and warnings are hooks; a caller may add more.
 */
import type { z } from "zod";
import { UserError } from "../../core/errors.ts";
import type { OutputAgreement } from "../../evaluation/agreement.ts";
import type { ClassTally } from "../../evaluation/class-tally.ts";
import type { LabelScores } from "../../evaluation/label-scores.ts";
import type { Weights } from "../../graph/graph.ts";
import type { Factor } from "../../selection/factors.ts";
import type { EventBody, LayerStructures, NetworkCost } from "../events/events.ts";
import type { TrainingState } from "../network/full-size-state.ts";

/** Plain JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** Sums over the finished part of an epoch, so that a resumed epoch reports the same as an uninterrupted one. */
export interface EpochSums {
  readonly steps: number;
  /** Sum of the batches' mean losses. */
  readonly loss: number;
  readonly correct: number;
  readonly milliseconds: number;
}

/** A run in progress. Under MPI its values are the same on every rank, so all ranks decide the same from it. */
export interface TrainingRun {
  /** Steps since the start of the run, over all its sessions. */
  readonly step: number;
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
  /** The epoch that the last step belonged to, counted from 1. */
  readonly epoch: number;
  readonly isEpochEnd: boolean;
  /** Of the current epoch. */
  readonly sums: EpochSums;
  /** All scaling factors at the start of the run, also those pruned since. */
  readonly factors: readonly Factor[];
  /** Learning rate of step `step`, counted from 0. */
  learningRateAt(step: number): number;
  /** The current factors λ and their velocities, both by the factors' parameters; zero for pruned structures. */
  readFactors(): Promise<{ readonly factors: Weights; readonly velocities: Weights }>;
  /** Emits an event, such as a notice: it is logged and passed to the run's listener. */
  emit(event: EventBody): void;
  /** Requests a checkpoint after all hooks have seen the step. */
  requestCheckpoint(): void;
  /** Ends training with the current step: the run then prunes, certifies and saves the network. */
  endTraining(): void;
}

/** One training step. */
export interface StepResult {
  /** Mean over the batch, with the weights before the step. */
  readonly loss: number;
  /** Images of the batch that were classified correctly. */
  readonly correct: number;
  readonly learningRate: number;
  /** Time of the step including the wait for its batch, and that wait alone. */
  readonly milliseconds: number;
  readonly waitedMilliseconds: number;
}

/** One epoch, scored. */
export interface EpochResult {
  /** Counted from 1. */
  readonly epoch: number;
  readonly steps: number;
  /** Time of training alone, without scoring. */
  readonly milliseconds: number;
  /** Means over the training batches, with augmentation. Accuracies are percents. */
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  readonly testAccuracy: number;
  readonly testImages: number;
  /** The scored images by class, in the order of the logits. */
  readonly classes: readonly ClassTally[];
  /** If outputs are taught: how each agrees with the original's on the test images. `testAccuracy` is their mean. */
  readonly outputs?: readonly OutputAgreement[];
  /** If images may have several labels: further scores. `testAccuracy` is then the mean average precision. */
  readonly labels?: LabelScores;
  /** The cost that would be left if the network were pruned now. */
  readonly cost: NetworkCost;
  /** How many structures of each layer are not zero. */
  readonly layers: readonly LayerStructures[];
  /** The network and its optimizer's state, in the shapes of the start of the run. */
  readonly state: TrainingState;
}

/** All methods are optional. An error that a method throws ends the run. */
export interface RunHook {
  /** Names the hook's state in a checkpoint, so it must be unique in a run. */
  readonly name: string;
  /** Before the first step of a session. `state`: the result of `state()` in the checkpoint; undefined in a new run. */
  begin?(run: TrainingRun, state: Json | undefined): void | Promise<void>;
  afterStep?(run: TrainingRun, step: StepResult): void | Promise<void>;
  /** At the end of an epoch, after `afterStep`. */
  afterEpoch?(run: TrainingRun, epoch: EpochResult): void | Promise<void>;
  /** When the run is stopped, to be resumed later. */
  interrupted?(run: TrainingRun): void | Promise<void>;
  /** After the last step, in the reverse order of `begin`. */
  end?(run: TrainingRun): void | Promise<void>;
  /** The state that the hook needs to continue from a checkpoint as without the interruption. */
  state?(): Json;
}

const builtInNames = [
  ...["budget", "constant", "delayed"],
  ...["progress", "warnings", "pruning-speed", "averaged-weights", "online-pruning", "int8", "checkpoints"],
  "outlook",
] as const;

/**
 * @throws UserError "bad-option" if two of the caller's `hooks`, or one of them and a built-in hook, have the same
 * name.
 */
export function requireOwnNames(hooks: readonly RunHook[]): void {
  const taken = new Set<string>(builtInNames);
  for (const { name } of hooks) {
    if (taken.has(name)) {
      throw new UserError("bad-option", `there are two hooks called "${name}"`, {
        about: "hooks",
        hint: "Give yours another name: it names the hook's state in a checkpoint",
      });
    }
    taken.add(name);
  }
}

/**
 * @throws UserError "bad-option" if a checkpoint has the state of a hook that is neither built in nor among `hooks`:
 * the run would not continue as it started.
 */
export function requireOwners(states: Readonly<Record<string, Json>>, hooks: readonly RunHook[]): void {
  const owners = new Set<string>([...builtInNames, ...hooks.map(({ name }) => name)]);
  const orphan = Object.keys(states).find((name) => !owners.has(name));
  if (orphan === undefined) return;
  throw new UserError("bad-option", `the run was trained with the hook "${orphan}"`, {
    about: "hooks",
    hint: `Pass it again: resume(folder, { hooks: [${orphan}] })`,
  });
}

/** Reads the `state` of a checkpoint; throws `UserError("bad-checkpoint")` if it does not match `schema`. */
export function readHookState<T>(name: string, schema: z.ZodType<T>, state: Json): T {
  const parsed = schema.safeParse(state);
  if (parsed.success) return parsed.data;
  throw new UserError("bad-checkpoint", `this version cannot read the state of "${name}" in the checkpoint`, {
    about: "state.json",
    hint: "Resume with the version of Espalier that started the run, or train it again under another name",
    cause: parsed.error,
  });
}

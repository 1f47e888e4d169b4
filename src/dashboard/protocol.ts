/** The JSON that the server and the page exchange. */
import type { Skeleton } from "../report/network-skeleton.ts";
import type { StructureView } from "../report/structure.ts";
import type { NetworkCost } from "../training/events/events.ts";
import type { FieldGroup } from "./fields.ts";
import type { Digest } from "./run-summary.ts";

/** `stopped`: the run is not training, has not finished, and no event says why it ended. */
export type RunState = "training" | "finished" | "interrupted" | "diverged" | "stopped";

/** A row of the table of runs. Accuracy in percent, latency in milliseconds. */
export interface RunSummary {
  readonly name: string;
  readonly state: RunState;
  readonly model: string;
  readonly dataset: string;
  readonly created: string | null;
  readonly epoch: number;
  readonly epochs: number;
  readonly accuracy: number | null;
  readonly before: NetworkCost | null;
  readonly after: NetworkCost | null;
  readonly latency: number | null;
  /** Whether the certificate passed; null without one. */
  readonly passed: boolean | null;
}

export interface StoredFile {
  readonly name: string;
  readonly bytes: number;
}

export interface RunDetail {
  readonly name: string;
  readonly state: RunState;
  /** Offset in `events.jsonl` where the digest ends, in bytes. */
  readonly offset: number;
  readonly digest: Digest;
  readonly files: readonly StoredFile[];
  /** Whether this server started the run, and can stop it. */
  readonly isOurs: boolean;
}

/** The part of a run's details that is sent whenever it changes. */
export interface RunStatus {
  readonly state: RunState;
  readonly isOurs: boolean;
}

/** A run that the page started. `message`: why it failed. */
export interface StartedRun {
  readonly name: string;
  readonly state: "starting" | "running" | "ended" | "failed";
  readonly message: string | null;
}

/** `cut`: the exact structure before and after the final pruning; null until then. */
export interface DrawnNetwork {
  readonly skeleton: Skeleton;
  readonly cut: StructureView | null;
}

/** Test images, and the input shape and preprocessing of a network. */
export interface TestImages {
  /** Channels, height, width. */
  readonly shape: readonly [number, number, number];
  readonly classes: readonly string[];
  /** What the network's output is: numbers for all classes, or one for the second of two. */
  readonly answers: "logits" | "probabilities" | "logit" | "probability";
  readonly mean: readonly number[];
  readonly standardDeviation: readonly number[];
  /** Planar 8-bit pixels in base64. */
  readonly images: readonly { readonly pixels: string; readonly label: number }[];
}

/** An error as the page shows it. */
export interface Failure {
  readonly error: string;
  readonly code: string;
  /** The field of the form that the error is about. */
  readonly field?: string;
}

/** A recipe, with its values of the fields that are required without one. */
export interface RecipeOption {
  readonly name: string;
  readonly description: string;
  readonly model: string;
  readonly data: string | null;
  readonly epochs: number;
}

export interface FormOptions {
  readonly groups: readonly FieldGroup[];
  readonly models: readonly string[];
  readonly datasets: readonly string[];
  readonly recipes: readonly RecipeOption[];
}

/** The latency table of a visitor's device. */
export interface DeviceTable {
  /** The table as a file. */
  readonly json: string;
  /** Predicted milliseconds of the network. */
  readonly milliseconds: number;
  /** Time of the network, relative to that of its layers by themselves. */
  readonly inNetwork: number;
}

/** The messages between the page and the worker that times networks. */
import type { TimedFile } from "../../latency/timing-plan.ts";
import type { Timing } from "../timing.ts";
import type { Backend } from "./try-protocol.ts";

export interface TimingRequest {
  readonly backend: Backend;
  readonly one: TimedFile;
  /** For a layer: the network that has it `copies` times more. */
  readonly many?: { readonly file: TimedFile; readonly copies: number };
}

export type TimingAnswer = { readonly error: string } | { readonly timing: Timing; readonly version: string };

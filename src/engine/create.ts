/** Which engine: plain data, so that a choice can be stored with a run and sent to another thread. */

import { unknownName } from "../core/names.ts";
import { optional } from "../core/optional.ts";
import { requireThreads } from "../core/threads.ts";
import { type CollectivesSpec, joinCollectives, useCollectives } from "../distributed/collectives.ts";
import type { Engine } from "./engine.ts";
import { installAdvice } from "./onednn/ffi/install.ts";
import { oneDnnIsAbsent } from "./onednn/ffi/locate.ts";
import { createOneDnnEngine } from "./onednn/index.ts";
import { createReferenceEngine } from "./reference/index.ts";
import { TuningClock } from "./tuning-clock.ts";

export const engineNames = ["onednn", "reference"] as const;
export type EngineName = (typeof engineNames)[number];

/**
 * oneDNN; the reference engine where it is not installed. One that is installed and cannot be used is an error when it
 * is loaded.
 */
export function defaultEngine(): EngineName {
  return oneDnnIsAbsent() ? "reference" : "onednn";
}

export interface EngineSpec {
  readonly engine: EngineName;
  /** Threads to compute with; default: what the engine finds best. The reference engine always has one. */
  readonly threads?: number;
  /** Folder in which the engine may keep what it learnt about this machine; default: nothing is kept. */
  readonly cacheFolder?: string;
  /** Bytes that the engine's plans may hold together; default: what the machine, or the control group, has left. */
  readonly memoryLimit?: number;
  /** A `TuningClock`'s, on which the engine shows how far timing kernels has come; default: on none. */
  readonly tuningClock?: SharedArrayBuffer;
  /** Of the cluster whose ranks the engine's plans sum over; default: it is alone. */
  readonly collectives?: CollectivesSpec;
}

/**
 * The engine that `spec` names, on the calling thread. Throws `UserError`: "unknown-name", "bad-option" for an illegal
 * number of threads, and what the engine throws where it cannot run ("engine-missing", "engine-refused").
 */
export function createEngine(spec: EngineSpec): Engine {
  const { engine, threads, cacheFolder, memoryLimit, tuningClock } = spec;
  if (spec.collectives !== undefined) useCollectives(joinCollectives(spec.collectives));
  const limit = optional({ memoryLimit });
  if (threads !== undefined) requireThreads(threads);
  switch (engine) {
    case "onednn":
      return createOneDnnEngine({
        ...optional({ threads, cacheFolder }),
        ...(tuningClock === undefined ? {} : { tuningClock: new TuningClock(tuningClock) }),
        ...limit,
      });
    case "reference":
      return createReferenceEngine({ ...limit, notices: oneDnnIsAbsent() ? [slowNotice()] : [] });
    default:
      throw unknownName("engine", String(engine satisfies never), engineNames);
  }
}

function slowNotice(): string {
  return `oneDNN is not installed: the reference engine computes, several hundred times slower. ${installAdvice()}`;
}

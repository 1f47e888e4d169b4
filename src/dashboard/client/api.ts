/** Requests to the server. An answer with an error status becomes a `Refusal` with the server's message. */
import type { PlanTimes, TimingPlan } from "../../latency/timing-plan.ts";
import type { Levels } from "../../report/heat.ts";
import type {
  DeviceTable,
  DrawnNetwork,
  Failure,
  FormOptions,
  RunDetail,
  RunSummary,
  StartedRun,
  TestImages,
} from "../protocol.ts";

export class Refusal extends Error {
  /** The field of the form that the error is about. */
  readonly field: string | undefined;

  constructor(message: string, field: string | undefined) {
    super(message);
    this.field = field;
  }
}

async function refusalOf(response: Response): Promise<Refusal> {
  const text = await response.text();
  try {
    const { error, field } = JSON.parse(text) as Partial<Failure>;
    if (error !== undefined) return new Refusal(error, field);
  } catch {
    // A proxy may answer with something other than JSON.
  }
  return new Refusal(`The server answered ${response.status}`, undefined);
}

/** Sends a request. The answers have the types of `protocol.ts`, which the server uses too. */
async function ask<T>(path: string, body?: unknown): Promise<T> {
  const posting = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}) };
  const response = await fetch(`/api${path}`, body === undefined ? {} : posting);
  if (!response.ok) throw await refusalOf(response);
  return (await response.json()) as T;
}

const run = (name: string): string => `/runs/${encodeURIComponent(name)}`;

/** A network to measure: a model of the zoo, or the network of a run. */
export interface NetworkChoice {
  readonly kind: "model" | "run";
  readonly name: string;
}

const timing = ({ kind, name }: NetworkChoice): string => `/${kind}s/${encodeURIComponent(name)}/timing`;

export const api = {
  runs: () => ask<{ readonly runs: readonly RunSummary[] }>("/runs"),
  run: (name: string) => ask<RunDetail>(run(name)),
  network: (name: string) => ask<DrawnNetwork | null>(`${run(name)}/network`),
  levels: (name: string) => ask<Levels>(`${run(name)}/levels`),
  images: (name: string) => ask<TestImages>(`${run(name)}/images`),
  options: () => ask<FormOptions>("/options"),
  start: (form: unknown) => ask<StartedRun>("/runs", form),
  started: (name: string) => ask<StartedRun>(`/started/${encodeURIComponent(name)}`),
  stop: (name: string) => ask<unknown>(`${run(name)}/stop`, {}),
  timingPlan: (choice: NetworkChoice) => ask<TimingPlan>(timing(choice)),
  deviceTable: (choice: NetworkChoice, times: PlanTimes) => ask<DeviceTable>(timing(choice), times),
  resume: (name: string) => ask<StartedRun>(`${run(name)}/resume`, {}),
} as const;

export function eventsAddress(name: string, offset: number): string {
  return `/api${run(name)}/events?from=${offset}`;
}

/** The address of a file of a run. */
export function fileAddress(name: string, file: string): string {
  return `/runs/${encodeURIComponent(name)}/${file}`;
}

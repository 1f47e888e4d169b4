/** Asks the server. Every answer that is no success becomes an `Error` with the server's own message. */
import type {
  DrawnNetwork,
  Failure,
  FormOptions,
  Levels,
  RunDetail,
  RunSummary,
  StartedRun,
  TestImages,
} from "../protocol.ts";

async function failureOf(response: Response): Promise<Error> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as Partial<Failure>;
    if (error !== undefined) return new Error(error);
  } catch {
    // What a proxy in between answers is no JSON.
  }
  return new Error(`The server answered ${response.status}`);
}

/** The server's answers have the types of `protocol.ts`, which both sides are compiled against. */
async function ask<T>(path: string, body?: unknown): Promise<T> {
  const posting = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}) };
  const response = await fetch(`/api${path}`, body === undefined ? {} : posting);
  if (!response.ok) throw await failureOf(response);
  return (await response.json()) as T;
}

const run = (name: string): string => `/runs/${encodeURIComponent(name)}`;

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
  resume: (name: string) => ask<StartedRun>(`${run(name)}/resume`, {}),
} as const;

export function eventsAddress(name: string, offset: number): string {
  return `/api${run(name)}/events?from=${offset}`;
}

/** Address of a file of a run. */
export function fileAddress(name: string, file: string): string {
  return `/runs/${encodeURIComponent(name)}/${file}`;
}

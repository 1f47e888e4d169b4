/** A network and images small enough for the reference engine, and folders for runs of it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { RunEvent, RunEventType } from "../../src/training/events/events.ts";
import type { Run } from "../../src/training/finish/run.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { tinyResnet } from "./tiny-network.ts";

export { tinyDataset, tinyResnet, tinyShape, tinyWithoutNorms } from "./tiny-network.ts";

const temporaryFolders: string[] = [];

afterAll(() => {
  for (const folder of temporaryFolders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder of its own for a test's runs, gone when the file's tests are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "espalier-test-"));
  temporaryFolders.push(folder);
  return folder;
}

/** A run, and all it told. */
export interface Told {
  readonly run: Run;
  readonly events: readonly RunEvent[];
}

/** Trains `tinyResnet()`, in a folder of its own unless `options` name one. */
export async function trainTiny(options: TrainOptions): Promise<Told> {
  const folder = options.folder ?? join(temporaryFolder(), "run");
  const run = await train(tinyResnet(), { ...options, folder });
  return { run, events: await readEvents(folder) };
}

/** The events of one type, in order. */
export function ofType<T extends RunEventType>(events: readonly RunEvent[], type: T): Extract<RunEvent, { type: T }>[] {
  return events.filter((event): event is Extract<RunEvent, { type: T }> => event.type === type);
}

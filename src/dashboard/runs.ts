/** The runs of a folder with their states and digests. New events are added to a digest as they are written. */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { check } from "proper-lockfile";
import { systemCode } from "../data/files.ts";
import { LevelTable } from "../report/factor-history.ts";
import { runFiles } from "../training/run-folder/run-folder.ts";
import type { RunDetail, RunState, RunStatus, RunSummary, StoredFile } from "./protocol.ts";
import { addEvent, type Digest, emptyDigest } from "./run-summary.ts";
import { confined, within } from "./safe-path.ts";
import { type Chunk, readChunk } from "./tail.ts";

/** As in `run-folder.ts`: the process of a lock that was not renewed for this long has died. */
const STALE_MILLISECONDS = 5000;

class Follower {
  readonly folder: string;
  readonly #path: string;
  #digest: Digest = emptyDigest();
  #levels = new LevelTable();
  #offset = 0;
  #reading: Promise<void> | undefined;

  constructor(folder: string) {
    this.folder = folder;
    this.#path = join(folder, runFiles.events);
  }

  get digest(): Digest {
    return this.#digest;
  }

  get levels(): LevelTable {
    return this.#levels;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Reads the events that were written since the last call. Calls during a read wait for that read. */
  catchUp(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    for (;;) {
      const { events, offset, isReplaced, isEnd } = await readChunk(this.#path, this.#offset);
      if (isReplaced) {
        this.#digest = emptyDigest();
        this.#levels = new LevelTable();
        this.#offset = 0;
        continue;
      }
      for (const event of events) {
        addEvent(this.#digest, event);
        this.#levels.add(event);
      }
      this.#offset = offset;
      if (isEnd) return;
      // Reading a long file must not delay other requests, nor training in this process.
      await nextTurn();
    }
  }

  /** The events after `offset`, for a page that has those before it. */
  chunkAfter(offset: number): Promise<Chunk> {
    return readChunk(this.#path, offset);
  }
}

export class RunStore {
  readonly root: string;
  readonly #followers = new Map<string, Follower>();

  constructor(root: string) {
    this.root = root;
  }

  /** Finds the run called `name` (URL-encoded). Undefined if the folder has no such run. */
  async find(name: string): Promise<Follower | undefined> {
    if (name.includes("/")) return undefined;
    const folder = await confined(this.root, name, "folder");
    if (folder === undefined || !(await isRun(folder))) return undefined;
    const known = this.#followers.get(folder);
    if (known !== undefined) return known;
    const follower = new Follower(folder);
    this.#followers.set(folder, follower);
    return follower;
  }

  /** Lists all runs, the latest first. */
  async list(): Promise<RunSummary[]> {
    const names = await readdir(this.root).catch((error: unknown) => {
      if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return [];
      throw error;
    });
    const summaries: RunSummary[] = [];
    for (const name of names) {
      const follower = await this.find(encodeURIComponent(name));
      if (follower === undefined) continue;
      await follower.catchUp();
      summaries.push(summaryOf(name, follower.digest, await stateOf(follower)));
    }
    return summaries.sort((a, b) => (b.created ?? "").localeCompare(a.created ?? ""));
  }
}

export type { Follower };

async function isRun(folder: string): Promise<boolean> {
  for (const file of [runFiles.events, runFiles.record]) {
    if ((await within(folder, file, "file")) !== undefined) return true;
  }
  return false;
}

/** Whether the folder itself contains all files that are needed to resume the run. */
export async function isWhole(folder: string): Promise<boolean> {
  const found = await Promise.all([
    within(folder, runFiles.record, "file"),
    within(folder, runFiles.events, "file"),
    within(folder, runFiles.checkpoints, "folder"),
  ]);
  return found.every((path) => path !== undefined);
}

/** The state of a run. A lock in its folder means that some process is training it. */
export async function stateOf({ folder, digest }: Pick<Follower, "folder" | "digest">): Promise<RunState> {
  const isLocked = await check(folder, { lockfilePath: join(folder, ".lock"), stale: STALE_MILLISECONDS }).catch(
    () => false,
  );
  if (isLocked) return "training";
  if (digest.finished !== null) return "finished";
  return digest.ending?.reason ?? "stopped";
}

function summaryOf(name: string, digest: Digest, state: RunState): RunSummary {
  const { started, finished, epochs } = digest;
  const last = epochs.at(-1);
  const left = finished?.after ?? last?.cost ?? started?.cost;
  return {
    name,
    state,
    model: started?.model ?? "",
    dataset: started?.dataset.name ?? "",
    created: digest.created,
    epoch: last?.epoch ?? 0,
    epochs: started?.epochs ?? 0,
    accuracy: finished?.after.accuracy ?? last?.testAccuracy ?? null,
    before: started?.cost ?? null,
    after: left === undefined ? null : { macs: left.macs, parameters: left.parameters },
    latency: digest.latency === null ? null : digest.latency.after.median,
    passed: digest.certificate?.passed ?? null,
  };
}

async function filesOf(folder: string): Promise<StoredFile[]> {
  const { network, compact, int8, report, certificate, record } = runFiles;
  const names = [network, compact, int8, report, certificate, record];
  const found = await Promise.all(
    names.map(async (name) => {
      const path = await within(folder, name, "file");
      const bytes = path === undefined ? undefined : (await lstat(path)).size;
      return bytes === undefined ? [] : [{ name, bytes }];
    }),
  );
  return found.flat();
}

/** The details of a run, without its status. */
export async function detailOf(name: string, follower: Follower): Promise<Omit<RunDetail, keyof RunStatus>> {
  await follower.catchUp();
  const { digest, offset, folder } = follower;
  return { name, offset, digest, files: await filesOf(folder) };
}

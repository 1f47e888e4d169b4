/**
 * Whose a run's folder is. A lock keeps other processes out while it is renewed; a process that was stopped for longer
 * than a lock lasts wakes up beside the one that has taken the run over. So whoever trains leaves its name in the
 * folder (`.owner`), and looks before each write whether it still stands there, and whether the folder still is where
 * it was.
 */
import { randomUUID } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { UserError } from "../../core/errors.ts";
import { runFileError } from "./file-errors.ts";
import { lockRunFolder } from "./run-folder.ts";

/** What stands in `.owner`: a name of this session's own first, then the process, for people. */
export type Owner = string;

const fileOf = (folder: string): string => join(folder, ".owner");

function ownerOf(folder: string): Owner | undefined {
  try {
    return readFileSync(fileOf(folder), "utf8");
  } catch {
    return undefined;
  }
}

/**
 * Refuses to go on in `folder` for whoever is not `owner`: what another process writes there now must not be written
 * over.
 * @throws UserError "run-lost".
 */
export function requireOwner(folder: string, owner: Owner): void {
  const found = ownerOf(folder);
  if (found !== owner) throw lost(folder, found);
}

function lost(folder: string, found: Owner | undefined): UserError {
  const [, other] = found?.split("\n") ?? [];
  return new UserError(
    "run-lost",
    `the run is not this process's any more${other ? `: ${other} has taken it over` : ""}`,
    {
      about: folder,
      hint:
        "It was stopped for too long, or its lock was taken away. " +
        `If nobody trains the run, go on with "espalier resume ${folder}"`,
    },
  );
}

export class Claim {
  readonly folder: string;
  readonly owner: Owner = `${randomUUID()}\nprocess ${process.pid} on ${hostname()}\n`;
  /** The folder itself, wherever it is moved to; undefined where folders cannot be opened. */
  #handle: number | undefined;
  #unlock: (() => Promise<void>) | undefined;
  #isLockLost = false;
  /** Whether our name was written into the folder. */
  #isNamed = false;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * Takes `folder` for this process; waits as `lockRunFolder` does.
   * @throws UserError "run-exists" if another process trains the run; what writing to the folder throws.
   */
  static async take(folder: string): Promise<Claim> {
    const claim = new Claim(folder);
    const onLost = (): void => {
      claim.#isLockLost = true;
    };
    claim.#unlock = await lockRunFolder(folder, onLost, () => claim.#letGo());
    try {
      writeFileSync(fileOf(folder), claim.owner);
      claim.#isNamed = true;
      claim.#handle = openFolder(folder);
      return claim;
    } catch (error) {
      await claim.release();
      throw runFileError(error, folder);
    }
  }

  /** Whether the folder says so; what it says of a folder that is not there is no. */
  get isHeld(): boolean {
    return ownerOf(this.folder) === this.owner;
  }

  /**
   * To be called before each write.
   * @throws UserError "run-moved" if the folder is not where it was, "run-lost" if it is another process's now.
   */
  require(): void {
    this.#requirePlace();
    requireOwner(this.folder, this.owner);
    if (this.#isLockLost) throw lost(this.folder, undefined);
  }

  /** Gives the folder back; what is another's by now is left as it is. */
  async release(): Promise<void> {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
    const unlock = this.#unlock;
    this.#unlock = undefined;
    // A lock that was lost is not there to be given back.
    if (!this.#isLockLost) await unlock?.();
  }

  /** Takes this process's name away, whole or not; false if another one stands there by now. */
  #letGo(): boolean {
    if (this.#isNamed && !this.isHeld) return false;
    rmSync(fileOf(this.folder), { force: true });
    return true;
  }

  #requirePlace(): void {
    const found = statSync(this.folder, { throwIfNoEntry: false });
    if (this.#handle === undefined ? found !== undefined : isSame(found, fstatSync(this.#handle))) return;
    const place = this.#handle === undefined ? undefined : pathOf(this.#handle);
    throw new UserError("run-moved", "the folder of the run was moved or deleted while it was training", {
      about: this.folder,
      hint:
        place === undefined
          ? 'If it was moved, go on where it is now with "espalier resume"'
          : `It is ${place} now: go on from its last checkpoint with "espalier resume ${place}"`,
    });
  }
}

interface Identity {
  readonly dev: number;
  readonly ino: number;
}

function isSame(found: Identity | undefined, wanted: Identity): boolean {
  return found !== undefined && found.dev === wanted.dev && found.ino === wanted.ino;
}

function openFolder(folder: string): number | undefined {
  // Windows opens no folders, and lets nobody move one whose files are open.
  return process.platform === "win32" ? undefined : openSync(folder, "r");
}

/** Where the folder of `handle` is now, on Linux; undefined if it is nowhere. */
function pathOf(handle: number): string | undefined {
  try {
    const path = readlinkSync(`/proc/self/fd/${handle}`);
    return statSync(path, { throwIfNoEntry: false }) === undefined ? undefined : path;
  } catch {
    return undefined;
  }
}

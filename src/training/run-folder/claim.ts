/**
 * Ownership of a run's folder. A lock keeps other processes out as long as it is renewed. If a process is suspended for
 * longer than that, another process may take the run over, and the first one must not write when it continues. So the
 * owner writes its name into the folder (`.owner`). Before each write it checks that its name is still there and that
 * the folder was not moved.
 */
import { randomUUID } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { UserError } from "../../core/errors.ts";
import { runFileError } from "./file-errors.ts";
import { lockRunFolder } from "./run-folder.ts";

/** The content of `.owner`: a unique name of the session, then a description of the process for people. */
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
 * Checks that `folder` belongs to `owner`, whose writes would otherwise overwrite those of another process.
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
    `this process no longer owns the run${other ? `: ${other} has taken it over` : ""}`,
    {
      about: folder,
      hint:
        "The process was suspended for too long, or its lock was removed. " +
        `If no process trains the run, continue it with "espalier resume ${folder}"`,
    },
  );
}

export class Claim {
  readonly folder: string;
  readonly owner: Owner = `${randomUUID()}\nprocess ${process.pid} on ${hostname()}\n`;
  /** File descriptor of the folder, also after it is moved; undefined on Windows. */
  #handle: number | undefined;
  #unlock: (() => Promise<void>) | undefined;
  #isLockLost = false;
  /** Whether this process has written its name into the folder. */
  #isNamed = false;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * Takes `folder` for this process; waits as `lockRunFolder` does.
   * @throws UserError "run-exists" if another process trains the run, and the errors of writing to the folder.
   */
  static async take(folder: string): Promise<Claim> {
    const claim = new Claim(folder);
    const onLost = (): void => {
      claim.#isLockLost = true;
    };
    claim.#unlock = await lockRunFolder(folder, onLost, () => claim.#removeName());
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

  /** Whether the folder has this process's name; false if there is no folder. */
  get isHeld(): boolean {
    return ownerOf(this.folder) === this.owner;
  }

  /**
   * Checks the ownership; to be called before each write.
   * @throws UserError "run-moved" if the folder was moved, "run-lost" if another process owns it now.
   */
  require(): void {
    this.#requirePlace();
    requireOwner(this.folder, this.owner);
    if (this.#isLockLost) throw lost(this.folder, undefined);
  }

  /** Unlocks the folder, unless another process owns it now. */
  async release(): Promise<void> {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
    const unlock = this.#unlock;
    this.#unlock = undefined;
    // A lost lock cannot be released.
    if (!this.#isLockLost) await unlock?.();
  }

  /** Removes this process's name; false if another process has written its name meanwhile. */
  #removeName(): boolean {
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
          ? 'If it was moved, continue the run at its new place with "espalier resume"'
          : `It is ${place} now: continue from its last checkpoint with "espalier resume ${place}"`,
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
  // Windows cannot open folders, and does not move a folder with open files.
  return process.platform === "win32" ? undefined : openSync(folder, "r");
}

/** The current path of the folder `handle`, on Linux; undefined if it was deleted. */
function pathOf(handle: number): string | undefined {
  try {
    const path = readlinkSync(`/proc/self/fd/${handle}`);
    return statSync(path, { throwIfNoEntry: false }) === undefined ? undefined : path;
  } catch {
    return undefined;
  }
}

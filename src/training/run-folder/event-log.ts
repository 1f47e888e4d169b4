/**
 * `events.jsonl`: one event a line, appended as it happens. A process that dies can leave half a line at the end; it is
 * dropped when the run goes on, and passed over when the file is read.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../core/errors.ts";
import { type RunEvent, runEventSchema } from "../events.ts";
import { runFileError } from "./file-errors.ts";
import { runFiles } from "./run-folder.ts";

const NEWLINE = 0x0a;
const REMEDY = "Take the line out, or read the run with the version of Espalier that wrote it";

/** Appends events to the file of one run; lines are short, so writing them at once costs microseconds. */
export class EventLog {
  readonly #path: string;
  #file: number | undefined;

  /** Opens the log of `folder`, creating it if there is none, and drops an unfinished last line. */
  constructor(folder: string) {
    this.#path = join(folder, runFiles.events);
    try {
      this.#file = openSync(this.#path, "a+");
      const bytes = readFileSync(this.#path);
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      if (end < bytes.length) ftruncateSync(this.#file, end);
    } catch (error) {
      this.close();
      throw runFileError(error, this.#path);
    }
  }

  append(event: RunEvent): void {
    if (this.#file === undefined) {
      throw new UserError("use-after-dispose", "the event log is closed", { hint: "Append before it is closed" });
    }
    const { size, ino } = fstatSync(this.#file);
    if (statSync(this.#path, { throwIfNoEntry: false })?.ino !== ino) {
      throw new UserError("run-moved", "the file was moved or deleted while the run was training", {
        about: this.#path,
        hint: "Put it back, and go on from the last checkpoint with `espalier resume`",
      });
    }
    try {
      appendWhole(this.#file, Buffer.from(`${JSON.stringify(event)}\n`));
    } catch (error) {
      // A line begun on a full disk would spoil the one that is written behind it.
      ftruncateSync(this.#file, size);
      throw runFileError(error, this.#path);
    }
  }

  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
  }
}

/** A call may write less than it was given. */
function appendWhole(file: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
}

/**
 * All events of the run in `folder`, oldest first.
 * @throws UserError "missing-file", or "bad-file" naming the first line that is no event; a torn last line is no error.
 */
export async function readEvents(folder: string): Promise<RunEvent[]> {
  const path = join(folder, runFiles.events);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw runFileError(error, path, "Is this the folder of a run?");
  }
  // What follows the last line break is empty, or a line that was being written when the process died.
  return text
    .split("\n")
    .slice(0, -1)
    .map((line, index) => readEvent(line, `${path}, line ${index + 1}`));
}

function readEvent(line: string, about: string): RunEvent {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new UserError("bad-file", "the line is no JSON", { about, hint: REMEDY, cause });
  }
  const parsed = runEventSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UserError("bad-file", `the line is no event of a run: ${issue?.path.join(".")} ${issue?.message}`, {
    about,
    hint: REMEDY,
    cause: parsed.error,
  });
}

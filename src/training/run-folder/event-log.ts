/**
 * `events.jsonl`: one event in each line, appended at once. A killed process can leave an incomplete last line. Readers
 * ignore it, and a resumed run removes it.
 */

import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { requireArguments } from "../../core/arguments.ts";
import { UserError } from "../../core/errors.ts";
import { type RunEvent, runEventSchema } from "../events/events.ts";
import { runFileError } from "./file-errors.ts";
import { runFiles } from "./run-folder.ts";

const NEWLINE = 0x0a;
const REMEDY = "Remove the line, or read the run with the version of Espalier that wrote it";

/** Appends events to the file of one run. Lines are short, so synchronous writes take microseconds. */
export class EventLog {
  readonly #path: string;
  #file: number | undefined;

  /** Opens or creates the log of `folder`, and removes an incomplete last line. */
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
      throw new UserError("use-after-dispose", "the event log is closed", { hint: "Append events before closing it" });
    }
    const { size, ino } = fstatSync(this.#file);
    if (statSync(this.#path, { throwIfNoEntry: false })?.ino !== ino) {
      throw new UserError("run-moved", "the file was moved or deleted while the run was training", {
        about: this.#path,
        hint: 'Put it back, and continue from the last checkpoint with "espalier resume"',
      });
    }
    try {
      appendWhole(this.#file, Buffer.from(`${JSON.stringify(event)}\n`));
    } catch (error) {
      // After an error, such as a full disk, an incomplete line must not stay in front of the next one.
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

/** Repeats the write, because one call may write only a part. */
function appendWhole(file: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
}

/**
 * All events of the run in `folder`, oldest first.
 * @throws UserError "missing-file"; "bad-file" with the first line that is not an event. An incomplete last line is no
 * error.
 */
export async function readEvents(folder: string): Promise<RunEvent[]> {
  requireArguments("readEvents", { folder: [folder, "text"] });
  const path = join(folder, runFiles.events);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw runFileError(error, path, "Is this the folder of a run?");
  }
  // The text after the last line break is empty, or an incomplete line of a killed process.
  return text
    .split("\n")
    .slice(0, -1)
    .map((line, index) => readEvent(line, `${path}, line ${index + 1}`));
}

/** The events of the run; none if it was stopped while its plans were prepared. */
export async function readEventsSoFar(folder: string): Promise<readonly RunEvent[]> {
  try {
    return await readEvents(folder);
  } catch (error) {
    if (error instanceof UserError && error.code === "missing-file") return [];
    throw error;
  }
}

function readEvent(line: string, about: string): RunEvent {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new UserError("bad-file", "the line is not JSON", { about, hint: REMEDY, cause });
  }
  const parsed = runEventSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UserError("bad-file", `the line is not an event of a run: ${issue?.path.join(".")} ${issue?.message}`, {
    about,
    hint: REMEDY,
    cause: parsed.error,
  });
}

import { optional } from "./optional.ts";
/**
 * The errors that Espalier throws. There are two classes with different exit codes: a `UserError` is something that the
 * user can correct (a file, an option, a missing library), an `InternalError` is a bug in Espalier.
 */

/** The machine-readable reason of an error. It is stable across versions; docs/errors.md lists all codes. */
export type ErrorCode =
  | "bad-option"
  | "bad-graph"
  | "bad-file"
  | "bad-checkpoint"
  | "checksum"
  | "diverged"
  | "engine-missing"
  | "engine-refused"
  | "interrupted"
  | "limit-reached"
  | "missing-file"
  | "no-disk-space"
  | "no-network"
  | "not-exact"
  | "out-of-memory"
  | "rank-lost"
  | "ranks-differ"
  | "run-exists"
  | "run-failed"
  | "run-lost"
  | "run-moved"
  | "unknown-name"
  | "unsupported"
  | "use-after-dispose"
  | "internal";

export interface ErrorDetails {
  /** The file, option, node or tensor the error is about. */
  readonly about?: string;
  readonly expected?: string;
  readonly received?: string;
  /** If the error is about several things: one line for each. */
  readonly list?: readonly string[];
  /** What to do next, as a sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The details of a `UserError`, which always has a hint. */
export interface RefusalDetails extends ErrorDetails {
  readonly hint: string;
}

/** The base class of all errors that Espalier throws. */
export abstract class EspalierError<Details extends ErrorDetails = ErrorDetails> extends Error {
  readonly code: ErrorCode;
  readonly details: Details;
  abstract readonly exitCode: number;

  constructor(code: ErrorCode, message: string, details: Details) {
    super(describe(message, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = details;
  }
}

/** An error that the user can correct; `details.hint` says how. Exit code 2. */
export class UserError extends EspalierError<RefusalDetails> {
  readonly exitCode = 2;
}

/** A bug in Espalier. Exit code 70 (EX_SOFTWARE of sysexits.h). */
export class InternalError extends EspalierError {
  readonly exitCode = 70;

  constructor(message: string, details: ErrorDetails = {}) {
    super("internal", message, details);
  }
}

/** The complete message. If `message` contains the message of another error, it has the hint already. */
function describe(message: string, { about, expected, received, hint }: ErrorDetails): string {
  const subject = about !== undefined && !message.includes(about) ? `${about}: ${message}` : message;
  const contrast =
    expected === undefined ? "" : ` (expected ${expected}${received === undefined ? "" : `, got ${received}`})`;
  return `${subject}${contrast}${hint === undefined || message.endsWith(hint) ? "" : `. ${hint}`}`;
}

/** `error` with `subject` in front of its message, to say which of several things the error is about. */
export function aboutPart(error: UserError, subject: string): UserError {
  const { hint, list } = error.details;
  return new UserError(error.code, `${subject}: ${error.message}`, {
    ...optional({ list }),
    hint,
    cause: error,
  });
}

/** The message of `error` without its hint, for use in another error that has its own hint. */
export function statementOf({ message, details: { hint } }: UserError): string {
  const ending = `. ${hint}`;
  return message.endsWith(ending) ? message.slice(0, -ending.length) : message;
}

/** Throws an `InternalError` unless `condition` holds. For invariants of this code, never for user input. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InternalError(message);
}

/** Returns `value` if it is defined, else throws an `InternalError`. For look-ups that this code guarantees. */
export function required<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new InternalError(`${what} is missing`);
  return value;
}

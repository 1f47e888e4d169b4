/**
 * Every error Espalier raises on purpose. Two kinds, told apart by exit code: a `UserError` (something the caller can
 * mend: a file, an option, a missing library) and an `InternalError` (a fault of ours).
 */

/** Machine-readable reason; stable across versions, listed in docs/errors.md. */
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
  /** Each of the things the error is about, a line each, where there are several. */
  readonly list?: readonly string[];
  /** What to do next, as a sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** What an error tells that the caller can mend: always what to do next as well. */
export interface RefusalDetails extends ErrorDetails {
  readonly hint: string;
}

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

/** The caller can mend it. Exit code 2. */
export class UserError extends EspalierError<RefusalDetails> {
  readonly exitCode = 2;
}

/** A fault in Espalier itself. Exit code 70 (EX_SOFTWARE of sysexits.h). */
export class InternalError extends EspalierError {
  readonly exitCode = 70;

  constructor(message: string, details: ErrorDetails = {}) {
    super("internal", message, details);
  }
}

/** A message that another error's was made part of has the hint already. */
function describe(message: string, { about, expected, received, hint }: ErrorDetails): string {
  const subject = about !== undefined && !message.includes(about) ? `${about}: ${message}` : message;
  const contrast =
    expected === undefined ? "" : ` (expected ${expected}${received === undefined ? "" : `, got ${received}`})`;
  return `${subject}${contrast}${hint === undefined || message.endsWith(hint) ? "" : `. ${hint}`}`;
}

/** `error` with `subject` in front of its message: of which of several things it is told. */
export function aboutPart(error: UserError, subject: string): UserError {
  const { hint, list } = error.details;
  return new UserError(error.code, `${subject}: ${error.message}`, {
    ...(list === undefined ? {} : { list }),
    hint,
    cause: error,
  });
}

/** What `error` says, without its hint: to be said of something larger, which has a hint of its own. */
export function statementOf({ message, details: { hint } }: UserError): string {
  const ending = `. ${hint}`;
  return message.endsWith(ending) ? message.slice(0, -ending.length) : message;
}

/** Throws an `InternalError` unless `condition` holds: an invariant of our own code, never a check of user input. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InternalError(message);
}

/** `value` if it is defined, else an `InternalError`: for look-ups that our own code guarantees. */
export function required<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new InternalError(`${what} is missing`);
  return value;
}

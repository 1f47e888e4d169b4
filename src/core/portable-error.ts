/** Errors on their way between threads: as plain data, for posting an error object would lose its class and code. */
import {
  type ErrorCode,
  type ErrorDetails,
  EspalierError,
  InternalError,
  type RefusalDetails,
  UserError,
} from "./errors.ts";
import { refusalOf } from "./system-errors.ts";

interface Portable<Kind extends string, Details extends ErrorDetails> {
  readonly kind: Kind;
  readonly code: ErrorCode;
  readonly message: string;
  readonly stack: string | undefined;
  readonly details: Details;
}

export type PortableError = Portable<"user", RefusalDetails> | Portable<"internal", ErrorDetails>;

/**
 * Errors that are neither Espalier's own nor the system's for want of something are faults of ours: they arrive as an
 * `InternalError` with the error as cause.
 */
export function toPortable(error: unknown): PortableError {
  const known =
    error instanceof EspalierError ? error : (refusalOf(error) ?? new InternalError(String(error), { cause: error }));
  const { code, message, stack } = known;
  return known instanceof UserError
    ? { kind: "user", code, message, stack, details: withPortableCause(known.details) }
    : { kind: "internal", code, message, stack, details: withPortableCause(known.details) };
}

function withPortableCause<D extends ErrorDetails>(details: D): D {
  const { cause } = details;
  return cause === undefined ? details : { ...details, cause: cause instanceof Error ? cause : String(cause) };
}

export function fromPortable(told: PortableError): EspalierError {
  const { message, stack } = told;
  const error =
    told.kind === "user" ? new UserError(told.code, message, told.details) : new InternalError(message, told.details);
  // The message already tells the details; the constructor has added them a second time.
  error.message = message;
  if (stack !== undefined) error.stack = stack;
  return error;
}

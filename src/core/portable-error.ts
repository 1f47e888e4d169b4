/**
 * Converts errors to plain data and back, because an error that is posted to another thread loses its class and code.
 */
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
 * Converts `error` to plain data. Errors of Espalier and refusals of the system keep their class. Any other error is a
 * bug and becomes an `InternalError` with the error as its cause.
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

/** The error that `portable` was made from, with its class, code, message and stack. */
export function fromPortable(portable: PortableError): EspalierError {
  const { kind, code, message, stack, details } = portable;
  const error = kind === "user" ? new UserError(code, message, details) : new InternalError(message, details);
  // The message contains the details already, and the constructor has added them a second time.
  error.message = message;
  if (stack !== undefined) error.stack = stack;
  return error;
}

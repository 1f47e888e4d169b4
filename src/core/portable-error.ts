/** Errors on their way between threads: as plain data, for posting an error object would lose its class and code. */
import { type ErrorCode, type ErrorDetails, EspalierError, InternalError, UserError } from "./errors.ts";

export interface PortableError {
  readonly kind: "user" | "internal";
  readonly code: ErrorCode;
  readonly message: string;
  readonly stack: string | undefined;
  readonly details: ErrorDetails;
}

/** Errors that are not Espalier's own are faults of ours: they arrive as an `InternalError` with the error as cause. */
export function toPortable(error: unknown): PortableError {
  const known = error instanceof EspalierError ? error : new InternalError(String(error), { cause: error });
  const { cause, ...details } = known.details;
  const portableCause = cause === undefined ? {} : { cause: cause instanceof Error ? cause : String(cause) };
  return {
    kind: known instanceof UserError ? "user" : "internal",
    code: known.code,
    message: known.message,
    stack: known.stack,
    details: { ...details, ...portableCause },
  };
}

export function fromPortable({ kind, code, message, stack, details }: PortableError): EspalierError {
  const error = kind === "user" ? new UserError(code, message, details) : new InternalError(message, details);
  // The message already tells the details; the constructor has added them a second time.
  error.message = message;
  if (stack !== undefined) error.stack = stack;
  return error;
}

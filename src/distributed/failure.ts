/** Sends the error of one rank to the others. */
import { type ErrorCode, EspalierError, InternalError, UserError } from "../core/errors.ts";

/** An error as plain data that a rank sends to the others. */
export interface FailureReport {
  readonly code: ErrorCode;
  readonly message: string;
  readonly exitCode: number;
  /** Empty for internal errors; otherwise it is part of the message. */
  readonly hint: string;
}

/** Another rank failed and rank 0 prints the reason. This rank ends without printing anything. */
export class FailureElsewhere extends EspalierError {
  readonly exitCode: number;

  constructor({ code, message, exitCode }: FailureReport) {
    super(code, message, {});
    this.exitCode = exitCode;
  }
}

export function failureReport(error: unknown): FailureReport {
  const known = error instanceof EspalierError ? error : new InternalError(String(error), { cause: error });
  const { code, message, exitCode, details } = known;
  return { code, message, exitCode, hint: details.hint ?? "" };
}

/** The error that rank 0 throws for the failure of rank `who`. */
export function failureOf(who: string, { code, message, exitCode, hint }: FailureReport): EspalierError {
  const full = `${who}: ${message}`;
  return exitCode === 2 ? new UserError(code, full, { hint }) : new InternalError(full);
}

/** Whether another rank prints this error, so that this rank does not. */
export function isReportedElsewhere(error: unknown): boolean {
  return error instanceof FailureElsewhere;
}

/** Errors of one rank, as the others come to know them. */
import { type ErrorCode, EspalierError, InternalError, UserError } from "../core/errors.ts";

/** What a rank tells the others of an error of its own; plain data. */
export interface ToldFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly exitCode: number;
  /** Empty for faults of ours; part of the message otherwise. */
  readonly hint: string;
}

/** The job ends for a reason that rank 0 tells; nothing is to be printed here. */
export class FailureElsewhere extends EspalierError {
  readonly exitCode: number;

  constructor({ code, message, exitCode }: ToldFailure) {
    super(code, message, {});
    this.exitCode = exitCode;
  }
}

export function toldFailure(error: unknown): ToldFailure {
  const known = error instanceof EspalierError ? error : new InternalError(String(error), { cause: error });
  const { code, message, exitCode, details } = known;
  return { code, message, exitCode, hint: details.hint ?? "" };
}

/** The failure of another rank, raised on rank 0. */
export function failureOf(who: string, { code, message, exitCode, hint }: ToldFailure): EspalierError {
  const told = `${who}: ${message}`;
  return exitCode === 2 ? new UserError(code, told, { hint }) : new InternalError(told);
}

/** Whether an error is told by another rank, so that this one need not. */
export function isToldElsewhere(error: unknown): boolean {
  return error instanceof FailureElsewhere;
}

/**
 * Turns errors of the system into `UserError`s with a hint: a full disk and the limits of `ulimit`. They can occur
 * wherever code writes or opens a file, allocates memory or starts a thread.
 */
import { type ErrorCode, type ErrorDetails, type EspalierError, UserError } from "./errors.ts";

/** The error code of the system ("ENOENT", "ENOSPC", …) or of Node ("ERR_WORKER_OUT_OF_MEMORY"), if there is one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

const noSpace: Refusal = {
  code: "no-disk-space",
  message: "no space left on the disk",
  hint: "Free some space; a run that has a checkpoint continues from it with `espalier resume`",
};
const tooManyFiles: Refusal = {
  code: "limit-reached",
  message: "too many files are open",
  hint: "Raise the limit, say with `ulimit -n 4096`",
};
const tooLittleMemory: Refusal = {
  code: "out-of-memory",
  message: "the system gives this process no more memory",
  hint: "Close other programs, raise the limit (`ulimit -v`), or use a smaller batch",
};
const noThread: Refusal = {
  code: "limit-reached",
  message: "no thread can be started",
  hint: "Raise the limits on processes, memory and open files (`ulimit -u`, `ulimit -v`, `ulimit -n`)",
};

const refusals: ReadonlyMap<string, Refusal> = new Map([
  ["ENOSPC", noSpace],
  ["EDQUOT", noSpace],
  [
    "EFBIG",
    {
      code: "limit-reached",
      message: "the file would be larger than this process may write",
      hint:
        "Raise the limit, say with `ulimit -f unlimited`; " +
        "a run continues from its checkpoint with `espalier resume`",
    },
  ],
  ["EMFILE", tooManyFiles],
  ["ENFILE", tooManyFiles],
  ["ENOMEM", tooLittleMemory],
  ["ERR_MEMORY_ALLOCATION_FAILED", tooLittleMemory],
  ["ERR_WORKER_OUT_OF_MEMORY", tooLittleMemory],
  ["ERR_WORKER_INIT_FAILED", noThread],
]);

function refusalIn(error: unknown): Refusal | undefined {
  // V8 throws allocation errors without a code. Lengths of ten digits and more are beyond its arrays.
  const tooLarge =
    /allocation failed|could not allocate|out of memory|invalid (typed array|array buffer) length: \d{10}/i;
  const isAllocation = error instanceof RangeError && tooLarge.test(error.message);
  return isAllocation ? tooLittleMemory : refusals.get(systemCode(error) ?? "");
}

/** The `UserError` for `error` if the system refused space, memory, files or threads; else undefined. */
export function refusalOf(error: unknown, details: ErrorDetails = {}): EspalierError | undefined {
  const refusal = refusalIn(error);
  if (refusal === undefined) return undefined;
  return new UserError(refusal.code, refusal.message, { hint: refusal.hint, ...details, cause: error });
}

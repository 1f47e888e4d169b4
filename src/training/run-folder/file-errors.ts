/** Turns file system errors about a run's files into errors with the file and a hint. */
import { UserError } from "../../core/errors.ts";
import { refusalOf, systemCode } from "../../core/system-errors.ts";

/**
 * Returns `error` as a `UserError` about `path` if the file system raised it. All other errors are returned unchanged.
 */
export function runFileError(
  error: unknown,
  path: string,
  hint = "Check that the folder exists and that you may read and write in it",
): unknown {
  const code = systemCode(error);
  const isSystemError = error instanceof Error && "errno" in error;
  if (!isSystemError || code === undefined) return error;
  const refusal = refusalOf(error, { about: path });
  if (refusal !== undefined) return refusal;
  const details = { about: path, hint, cause: error };
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return new UserError("missing-file", "no such file or folder", details);
    default:
      return new UserError("bad-file", `the file cannot be used: ${error.message}`, details);
  }
}

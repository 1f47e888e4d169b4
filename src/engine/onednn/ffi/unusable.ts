/** Errors on a library that was found but cannot be used: which file, why, and what to do. */
import { UserError } from "../../../core/errors.ts";
import { installHint } from "./install.ts";
import type { FoundLibrary } from "./locate.ts";

/** The linker cannot open the library. `message` is the linker's own: it names what is missing. */
export function openFailure(found: FoundLibrary, message: string): UserError {
  return new UserError("engine-missing", "cannot be loaded", {
    about: subject(found),
    list: [message],
    hint: `${linkerHint(message)}${remedy(found)}`,
  });
}

/** The file is another library, or oneDNN without functions that are needed. */
export function lacksFunctions(found: FoundLibrary, missing: readonly string[]): UserError {
  return new UserError("engine-missing", `is not oneDNN, or was built without ${missing.join(", ")}`, {
    about: subject(found),
    hint: remedy(found),
  });
}

/** The version of oneDNN is too old or too new. `expected` says which can be used. */
export function wrongVersion(found: FoundLibrary, version: string, expected: string): UserError {
  return new UserError("engine-missing", "this oneDNN is too old or too new", {
    about: subject(found),
    expected,
    received: version,
    hint: remedy(found),
  });
}

function subject({ path, from }: FoundLibrary): string {
  return from === "ESPALIER_ONEDNN" ? `${from}=${path}` : path;
}

function remedy({ path, from }: FoundLibrary): string {
  if (from === "ESPALIER_ONEDNN") return `Let ESPALIER_ONEDNN name another file, or unset it. ${installHint()}`;
  if (from === "cache folder") return `Delete ${path}, which set-up put there, and set up again. ${installHint()}`;
  return `Let ESPALIER_ONEDNN name another file. ${installHint()}`;
}

/** Explains messages of glibc's linker. */
function linkerHint(message: string): string {
  const absent = /(lib\S+): cannot open shared object file/.exec(message)?.[1];
  if (absent !== undefined) {
    const known: Readonly<Record<string, string>> = {
      "libgomp.so.1": "libgomp1",
      "libOpenCL.so.1": "ocl-icd-libopencl1",
    };
    const name = known[absent];
    return name === undefined
      ? `It needs ${absent}: install that. `
      : `It needs ${absent}: install that (Debian and Ubuntu call the package ${name}). `;
  }
  return /version `\w+_[\d.]+' not found/.test(message) ? "It was built for a newer system than this one. " : "";
}

/**
 * Finds oneDNN: the file that `ESPALIER_ONEDNN` names, else the system's library, else the one that set-up has stored
 * in the user's cache folder. A file is checked before it is opened, because opening a damaged one can end the process.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { libraryFolder } from "../../../core/cache-folder.ts";
import { UserError } from "../../../core/errors.ts";
import { compareVersions, installHint } from "./install.ts";
import { refuseLibraryFile } from "./library-file.ts";

export type LibrarySource = "ESPALIER_ONEDNN" | "system" | "cache folder";

export interface FoundLibrary {
  /** The file to open. */
  readonly path: string;
  readonly from: LibrarySource;
  /**
   * Libraries that came with it (OpenMP, OpenCL). They must be opened first, because the linker searches only the
   * system's folders.
   */
  readonly openFirst: readonly string[];
}

/** A file that could be oneDNN, or a folder without such a file. */
export interface SearchedPlace {
  readonly from: LibrarySource;
  readonly place: string;
  readonly outcome: "taken" | "not needed" | "nothing there" | "refused";
  /** Why the file was refused. */
  readonly expected?: string;
  readonly received?: string;
}

/** The library to open. @throws UserError "engine-missing" if there is none that this machine can load. */
export function locateOneDnn(places: readonly SearchedPlace[] = searchOneDnn()): FoundLibrary {
  const taken = places.find(({ outcome }) => outcome === "taken");
  if (taken !== undefined) {
    const { from, place: path } = taken;
    return { path, from, openFirst: from === "cache folder" ? companions(path) : [] };
  }
  const refused = places.filter(({ outcome }) => outcome === "refused");
  const chosen = refused.find(({ from }) => from === "ESPALIER_ONEDNN");
  if (chosen !== undefined) {
    const { place, expected = "", received = "" } = chosen;
    const other = places.find(({ outcome }) => outcome === "not needed");
    throw new UserError("engine-missing", "cannot be oneDNN", {
      ...{ about: `ESPALIER_ONEDNN=${place}`, expected, received },
      hint:
        "Let ESPALIER_ONEDNN name the file of a oneDNN library, or unset it" +
        (other === undefined ? `. ${installHint()}` : `: ${other.place} is there`),
    });
  }
  if (refused.length === 0) throw new UserError("engine-missing", "oneDNN is not installed", { hint: installHint() });
  throw new UserError("engine-missing", "no oneDNN here can be loaded", {
    list: refused.map(({ place, expected, received }) => `${place}: expected ${expected}, got ${received}`),
    hint: installHint(),
  });
}

/** Whether no file has oneDNN's name. A file with that name that cannot be used is an error instead. */
export function oneDnnIsAbsent(): boolean {
  return searchOneDnn().every(({ outcome }) => outcome === "nothing there");
}

/** All places in the order of the search, including those after the library that is taken, for `espalier doctor`. */
export function searchOneDnn(): readonly SearchedPlace[] {
  const { ESPALIER_ONEDNN: chosen = "" } = process.env;
  let isSettled = false;
  const search = (from: LibrarySource, place: string): SearchedPlace => {
    const refusal = refuseLibraryFile(place);
    if (refusal !== undefined) {
      // Never skip a file that the user names.
      isSettled ||= from === "ESPALIER_ONEDNN";
      return { from, place, outcome: "refused", ...refusal };
    }
    const outcome = isSettled ? "not needed" : "taken";
    isSettled = true;
    return { from, place, outcome };
  };
  const named = chosen === "" ? [] : [search("ESPALIER_ONEDNN", resolve(chosen))];
  const groups: readonly (readonly [LibrarySource, readonly string[]])[] = [
    ["system", userFolders()],
    ["system", systemFolders()],
    ["cache folder", [libraryFolder()]],
  ];
  const found = groups.flatMap(([from, folders]) => {
    const files = newestFirst(folders);
    if (files.length > 0) return files.map((file) => search(from, file));
    return folders.map((place) => ({ from, place, outcome: "nothing there" as const }));
  });
  return [...named, ...found];
}

/** `libdnnl.so.3.6`, `libdnnl.3.dylib`, `dnnl.dll`, with the version in the name if it has one. */
const NAME = /^(?:libdnnl\.so(?:\.(?<elf>\d+(?:\.\d+)*))?|libdnnl(?:\.(?<macho>\d+(?:\.\d+)*))?\.dylib|dnnl\.dll)$/;

/**
 * Files with oneDNN's name, the newest version first: distributions have the version in the name. A file with several
 * links is listed once.
 */
function newestFirst(folders: readonly string[]): readonly string[] {
  const files = folders.flatMap((folder) =>
    namesIn(folder).flatMap((name) => {
      const match = NAME.exec(name);
      return match === null
        ? []
        : { path: join(folder, name), version: match.groups?.["elf"] ?? match.groups?.["macho"] ?? "0" };
    }),
  );
  files.sort((a, b) => compareVersions(b.version, a.version));
  const byTarget = new Map<string, string>();
  for (const { path } of files) {
    const target = targetOf(path);
    if (!byTarget.has(target)) byTarget.set(target, path);
  }
  return [...byTarget.values()];
}

/** Folders in the user's environment variables. */
function userFolders(): readonly string[] {
  const { LD_LIBRARY_PATH, DYLD_LIBRARY_PATH, PATH, CONDA_PREFIX = "" } = process.env;
  const lists = { linux: LD_LIBRARY_PATH, darwin: DYLD_LIBRARY_PATH, win32: PATH } as const;
  const list = process.platform === "darwin" || process.platform === "win32" ? lists[process.platform] : lists.linux;
  const folders = (list ?? "").split(delimiter).filter((folder) => folder !== "");
  const conda = CONDA_PREFIX === "" ? [] : [join(CONDA_PREFIX, process.platform === "win32" ? "Library/bin" : "lib")];
  return [...new Set([...folders, ...conda])];
}

/** Folders of libraries of the linker or of Homebrew. */
function systemFolders(): readonly string[] {
  const { HOMEBREW_PREFIX = "/opt/homebrew" } = process.env;
  if (process.platform === "win32") return [];
  if (process.platform === "darwin") {
    return [join(HOMEBREW_PREFIX, "lib"), join(HOMEBREW_PREFIX, "opt/onednn/lib"), "/usr/local/lib", "/opt/local/lib"];
  }
  const usual = ["/usr/local/lib", "/usr/lib64", "/usr/lib"].filter((folder) => existsSync(folder));
  return [...new Set([...linkerFolders(), ...usual].map(targetOf))];
}

/** Folders with oneDNN in the dynamic linker's own list, which includes folders whose names contain the processor. */
function linkerFolders(): readonly string[] {
  const ldconfig = ["/sbin/ldconfig", "/usr/sbin/ldconfig"].find((path) => existsSync(path));
  if (ldconfig === undefined) return [];
  const { stdout } = spawnSync(ldconfig, ["-p"], { encoding: "utf8", timeout: 10_000, maxBuffer: 64 * 1024 * 1024 });
  return [...(stdout ?? "").matchAll(/^\s*libdnnl\.so\S* .*=> (\S.*)$/gm)].map(([, path = ""]) => dirname(path));
}

/** Other libraries beside `path`. */
function companions(path: string): readonly string[] {
  const folder = dirname(path);
  return namesIn(folder)
    .filter((name) => /^lib.*\.(so|dylib)/.test(name) && !NAME.test(name))
    .map((name) => join(folder, name));
}

/** The sorted entries of a folder; empty if it does not exist or cannot be read. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** Resolves links. A broken link is returned unchanged. */
function targetOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UserError } from "../../../src/core/errors.ts";
import { refuseLibraryFile } from "../../../src/engine/onednn/ffi/library-file.ts";
import { locateOneDnn, searchOneDnn } from "../../../src/engine/onednn/ffi/locate.ts";
import { openFailure } from "../../../src/engine/onednn/ffi/unusable.ts";

/** The library of this machine, wherever the tests took it from. */
const real = locateOneDnn().path;
const variables = ["ESPALIER_ONEDNN", "ESPALIER_CACHE", "LD_LIBRARY_PATH", "CONDA_PREFIX"] as const;
const before = Object.fromEntries(variables.map((name) => [name, process.env[name]]));
let folder: string;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "espalier-locate-")));
  for (const name of variables) delete process.env[name];
  process.env["ESPALIER_CACHE"] = join(folder, "cache");
});
afterEach(() => {
  for (const name of variables) {
    const value = before[name];
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  rmSync(folder, { recursive: true, force: true });
});

/** A whole library of few kilobytes that is no oneDNN, under `name` in the test's folder. */
function small(name: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  copyFileSync(findLibm(), path);
  return path;
}

function findLibm(): string {
  const maps = readFileSync("/proc/self/maps", "utf8");
  return /\s(\/\S*libm[.-]\S*)/.exec(maps)?.[1] ?? "";
}

function refusal(path: string): string {
  const { expected, received } = refuseLibraryFile(path) ?? { expected: "nothing", received: "nothing" };
  return `${expected}: ${received}`;
}

function thrown(): UserError {
  try {
    locateOneDnn();
  } catch (error) {
    if (error instanceof UserError) return error;
  }
  throw new Error("nothing of ours was thrown");
}

describe("where oneDNN is looked for", () => {
  it("takes the file that ESPALIER_ONEDNN names before all others", () => {
    const named = small("anything.so");
    process.env["LD_LIBRARY_PATH"] = join(small("system/libdnnl.so.3"), "..");
    process.env["ESPALIER_ONEDNN"] = named;
    expect(locateOneDnn()).toEqual({ path: named, from: "ESPALIER_ONEDNN", openFirst: [] });
    expect(searchOneDnn().map(({ outcome }) => outcome)).toContain("not needed");
  });

  it("takes the newest name in the system, and each file once", () => {
    const names = ["libdnnl.so.2", "libdnnl.so.2.10", "libdnnl.so.3.6", "libdnnl.so.2.9"];
    for (const name of names) small(`system/${name}`);
    symlinkSync("libdnnl.so.3.6", join(folder, "system/libdnnl.so"));
    symlinkSync("libdnnl.so.3.6", join(folder, "system/libdnnl.so.3"));
    small("system/libdnnl_graph.so.3.9");
    process.env["LD_LIBRARY_PATH"] = `:${join(folder, "nowhere")}:${join(folder, "system")}`;
    const mine = searchOneDnn().filter(({ place }) => place.startsWith(join(folder, "system")));
    expect(mine.map(({ place, outcome }) => [place.slice(folder.length + 8), outcome])).toEqual([
      ["libdnnl.so.3.6", "taken"],
      ["libdnnl.so.2.10", "not needed"],
      ["libdnnl.so.2.9", "not needed"],
      ["libdnnl.so.2", "not needed"],
    ]);
    expect(locateOneDnn().from).toBe("system");
  });

  it("passes over a broken library of the system, and says so", () => {
    writeFileSync(join(folder, "libdnnl.so.3"), "");
    const whole = small("libdnnl.so.2");
    process.env["LD_LIBRARY_PATH"] = folder;
    expect(locateOneDnn().path).toBe(whole);
    expect(searchOneDnn()[0]).toMatchObject({ outcome: "refused", received: "an empty file" });
  });

  it("looks into the cache folder last, and takes what lies beside the library there", () => {
    const path = small("cache/onednn/libdnnl.so.3.6");
    const openMp = small("cache/onednn/libgomp.so.1");
    const last = searchOneDnn().at(-1);
    expect(last).toMatchObject({ from: "cache folder", place: path });
    const alone = [{ from: "cache folder", place: path, outcome: "taken" }] as const;
    expect(locateOneDnn(alone)).toEqual({ path, from: "cache folder", openFirst: [openMp] });
  });

  it("never passes over what ESPALIER_ONEDNN names", () => {
    process.env["ESPALIER_ONEDNN"] = join(folder, "nowhere.so");
    const error = thrown();
    expect(error.code).toBe("engine-missing");
    expect(error.exitCode).toBe(2);
    expect(error.message).toContain(`ESPALIER_ONEDNN=${join(folder, "nowhere.so")}: cannot be oneDNN`);
    expect(error.message).toMatch(/got no such file\)\. Let ESPALIER_ONEDNN name .* or unset it/);
    process.env["ESPALIER_ONEDNN"] = folder;
    expect(thrown().message).toContain("got a folder");
  });
});

describe("a file is checked before it is opened", () => {
  it("finds nothing wrong with oneDNN, nor with a library of the system", () => {
    expect(refuseLibraryFile(real)).toBeUndefined();
    expect(refuseLibraryFile(findLibm())).toBeUndefined();
  });

  it("refuses what is no library", () => {
    const path = join(folder, "notes.so");
    writeFileSync(path, "oneDNN\n".repeat(100));
    expect(refusal(path)).toMatch(/^a 64-bit ELF library for .*: a file that is not ELF$/);
    writeFileSync(path, "\u007fELF");
    expect(refusal(path)).toContain("truncated");
    expect(refusal(process.execPath)).toMatch(/not a shared library|^nothing/);
  });

  it("refuses oneDNN cut short anywhere, whose opening would end the process", () => {
    const path = join(folder, "libdnnl.so.2");
    copyFileSync(real, path);
    const whole = readFileSync(path).length;
    expect(refuseLibraryFile(path)).toBeUndefined();
    for (const size of [whole - 1, whole - 4096, whole >> 1, 1 << 20, 4096, 100, 63]) {
      truncateSync(path, size);
      expect(refusal(path), `${size} bytes`).toContain("truncated");
    }
  });

  it.each([
    ["AArch64", 18, [183, 0]],
    ["32-bit x86", 18, [3, 0]],
    ["another processor (ELF machine 4660)", 18, [0x34, 0x12]],
    ["a 32-bit file", 4, [1]],
    ["the other byte order", 5, [2]],
    ["not a shared library", 16, [2, 0]],
  ])("refuses a file for %s", (words, offset, patch) => {
    const path = small("patched.so");
    const bytes = readFileSync(path);
    bytes.set(patch, offset);
    writeFileSync(path, bytes);
    expect(refusal(path)).toContain(words);
  });

  it("says that a file may not be read", () => {
    const path = small("private.so");
    chmodSync(path, 0o000);
    chmodSync(folder, 0o755);
    // Root may read everything, and some versions of Node let nobody become another user.
    const isOther = process.geteuid?.() !== 0 || becomes(65534);
    try {
      if (isOther) expect(refusal(path)).toContain("a file that this user may not read");
    } finally {
      if (process.getuid?.() === 0) becomes(0);
    }
  });
});

/** Whether this process could become the user of that number. */
function becomes(user: number): boolean {
  try {
    process.seteuid?.(user);
    return true;
  } catch {
    return false;
  }
}

describe("a library that does not open", () => {
  const found = { path: "/opt/libdnnl.so.3", from: "ESPALIER_ONEDNN", openFirst: [] } as const;

  it("repeats the linker's words and says what they mean", () => {
    const absent = openFailure(found, "libgomp.so.1: cannot open shared object file: No such file or directory");
    expect(absent.details.list).toEqual(["libgomp.so.1: cannot open shared object file: No such file or directory"]);
    expect(absent.message).toMatch(
      /^ESPALIER_ONEDNN=\/opt\/libdnnl\.so\.3: cannot be loaded\. It needs libgomp\.so\.1/,
    );
    expect(absent.details.hint).toContain("libgomp1");
    const newer = openFailure(found, "/lib/libc.so.6: version `GLIBC_2.38' not found (required by /opt/libdnnl.so.3)");
    expect(newer.details.hint).toMatch(/^It was built for a newer system than this one\. Let ESPALIER_ONEDNN name/);
  });
});

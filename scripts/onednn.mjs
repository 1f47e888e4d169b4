/**
 * Gets oneDNN: the newest package that apt knows, installed as root, otherwise unpacked into the user's cache folder.
 * Where there is no such package it says what to type. Set-up goes on without, for the reference engine needs nothing;
 * a wrong name in ESPALIER_ONEDNN alone ends it.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { announce, apt, hasApt, isRoot, root, runQuietly, SetupError } from "./shell.mjs";

/** Gets oneDNN where it is missing. @returns {{ usable: boolean, summary: string }} what there is now, as a line */
export function requireOneDnn() {
  let found = probe();
  if (!found.usable && process.env.ESPALIER_ONEDNN) throw new SetupError(found.message, found.hint);
  let failure = "";
  if (!found.usable && hasApt()) {
    failure = install(found);
    found = probe();
  }
  if (found.usable) return { usable: true, summary: `oneDNN ${found.version}, ${found.path}` };
  for (const line of [failure, found.message, found.howToInstall]) if (line !== "") announce(line);
  return { usable: false, summary: "no oneDNN: the reference engine computes instead, several hundred times slower" };
}

/** What `scripts/onednn.ts` finds out; npm's packages have to be there. */
function probe() {
  const loader = join(root, "node_modules", "tsx", "dist", "loader.mjs");
  const { ok, stdout, output } = runQuietly(process.execPath, [
    `--import=${loader}`,
    join(root, "scripts", "onednn.ts"),
  ]);
  if (ok) return JSON.parse(stdout);
  throw new SetupError("oneDNN could not be looked for", "This is a fault of Espalier; its stack is above.", output);
}

/** Installs the package for all users, or unpacks it for this one; returns why that failed, or nothing. */
function install({ aptPackage, folder }) {
  let work = "";
  try {
    mkdirSync(dirname(folder), { recursive: true });
    work = mkdtempSync(join(dirname(folder), ".onednn-"));
  } catch (error) {
    return `oneDNN cannot be unpacked: ${error.message}; let ESPALIER_CACHE name a folder that this user may write to`;
  }
  try {
    const name = aptPackage ?? updatedPackage(work);
    if (name === undefined) return "apt knows no package of oneDNN";
    announce(`${isRoot ? "installing" : `fetching for this user into ${folder}:`} oneDNN (${name})`);
    return isRoot ? installForAll(name) : unpackForUser(name, folder, work);
  } finally {
    rmSync(work, { recursive: true, force: true });
    delete process.env.APT_CONFIG;
  }
}

/**
 * The package after a fresh look at the mirrors. Whoever is not root keeps the lists in a folder of their own: apt lets
 * them.
 */
function updatedPackage(work) {
  announce("asking apt's mirrors (apt-get update)");
  if (!isRoot) {
    const configuration = join(work, "apt.conf");
    for (const part of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(work, part), { recursive: true });
    writeFileSync(configuration, `Dir::State::lists "${work}/lists";\nDir::Cache "${work}/cache";\n`);
    process.env.APT_CONFIG = configuration;
  }
  apt("update");
  return probe().aptPackage;
}

function installForAll(name) {
  const attempt = () => apt("install", "-y", "--no-install-recommends", name);
  let result = attempt();
  if (!result.ok) {
    // Lists of packages that are weeks old name files that the mirrors have no more.
    apt("update");
    result = attempt();
  }
  return result.ok ? "" : `apt-get could not install ${name}: ${lastLine(result.output)}`;
}

/** The package, and what it depends on and the system lacks, into one folder, which takes its place as a whole. */
function unpackForUser(name, folder, work) {
  const depends = runQuietly("apt-cache", ["depends", name]).stdout;
  const wanted = [name, ...dependencies(depends).filter((dependency) => !isInstalled(dependency))];
  const { ok, output } = runQuietly("apt-get", ["download", ...wanted], {}, work);
  if (!ok) return `apt-get could not fetch ${wanted.join(" ")}: ${lastLine(output)}`;
  const unpacked = join(work, "unpacked");
  for (const file of readdirSync(work).filter((entry) => entry.endsWith(".deb"))) {
    const extraction = runQuietly("dpkg-deb", ["-x", join(work, file), unpacked]);
    if (!extraction.ok) return `dpkg-deb could not unpack ${file}: ${lastLine(extraction.output)}`;
  }
  const libraries = join(work, "libraries");
  mkdirSync(libraries);
  for (const entry of readdirSync(unpacked, { recursive: true })) {
    // Their links lead to files beside them.
    const isLibrary = /\.so\.[\d.]+$/.test(entry);
    if (isLibrary) cpSync(join(unpacked, entry), join(libraries, basename(entry)), { verbatimSymlinks: true });
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(libraries, folder);
  return "";
}

/** Packages that `apt-cache depends` names; those in angle brackets are virtual, and others stand for them. */
export function dependencies(text) {
  const names = [...text.matchAll(/^ +\|?Depends: ([^<\s]+)$/gm)].map((match) => match[1] ?? "");
  return [...new Set(names)];
}

function isInstalled(name) {
  // Once for each architecture.
  return /^(installed)+$/.test(runQuietly("dpkg-query", ["-W", "-f", `\${db:Status-Status}`, name]).stdout);
}

/** The last line of apt's that says an error, else the last one. */
function lastLine(output) {
  const lines = output.trim().split("\n");
  return lines.findLast((line) => line.startsWith("E: ")) ?? lines.at(-1) ?? "";
}

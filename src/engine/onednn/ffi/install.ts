/** Says how to install oneDNN on this system. Only this file has the names of its packages. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { optional } from "../../../core/optional.ts";

/** The facts that the advice depends on. */
export interface SystemFacts {
  readonly platform: NodeJS.Platform;
  /** `ID` and `ID_LIKE` of os-release: the distribution, then those that it is derived from. */
  readonly distributions: readonly string[];
  /** Whether a conda environment is activated. */
  readonly conda: boolean;
  /** The newest package that apt knows, if this is a system with apt. */
  readonly aptPackage?: string;
}

const CONDA = "conda install -c conda-forge onednn";

/**
 * The runtime package with the highest version among apt's names: "libdnnl2" in Debian 12, "libdnnl3.6" in Debian 13,
 * "libdnnl3" in Ubuntu 24.04.
 */
export function newestOneDnnPackage(names: readonly string[]): string | undefined {
  const versioned = names.flatMap((name) => {
    const version = /^libdnnl(\d+(?:\.\d+)*)$/.exec(name)?.[1];
    return version === undefined ? [] : [{ name, version }];
  });
  return versioned.sort((a, b) => compareVersions(b.version, a.version))[0]?.name;
}

/** Compares versions part by part as numbers: "2.10" is newer than "2.9", and "3.6" than "3". */
export function compareVersions(a: string, b: string): number {
  const [first, second] = [a.split(".").map(Number), b.split(".").map(Number)];
  for (let part = 0; part < Math.max(first.length, second.length); part++) {
    const difference = (first[part] ?? -1) - (second[part] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The command that installs oneDNN on such a system; undefined if no package is known. */
export function installCommand({ platform, distributions, conda, aptPackage }: SystemFacts): string | undefined {
  if (conda) return CONDA;
  if (platform === "darwin") return "brew install onednn";
  if (platform === "win32") return CONDA;
  if (aptPackage !== undefined) return `sudo apt-get install ${aptPackage}`;
  if (distributions.some((name) => ["fedora", "rhel", "centos"].includes(name))) return "sudo dnf install onednn";
  return undefined;
}

/** What to do if oneDNN is missing or cannot be used, as a sentence without its full stop. */
export function installHint(facts: SystemFacts = systemFacts()): string {
  return `${installAdvice(facts)}; or use the reference engine, which is slow (--engine reference)`;
}

/** The same without the reference engine, for users who already use it. */
export function installAdvice(facts: SystemFacts = systemFacts()): string {
  const command = installCommand(facts);
  const isDebian = facts.distributions.some((name) => name === "debian" || name === "ubuntu");
  if (command !== undefined) return `Install it with "${command}"`;
  return isDebian
    ? 'Install it: "sudo apt-get update", then the newest package that "apt-cache search libdnnl" lists'
    : `Install it with "${CONDA}" or "pip install onednn", and name the library's file in ESPALIER_ONEDNN`;
}

/** This system. Asks apt, which takes about half a second: for messages, not for the way to a library that is there. */
export function systemFacts(): SystemFacts {
  const { CONDA_PREFIX: prefix = "" } = process.env;
  const aptPackage = process.platform === "linux" ? newestOneDnnPackage(aptNames()) : undefined;
  return {
    platform: process.platform,
    distributions: distributions(),
    conda: prefix !== "",
    ...optional({ aptPackage }),
  };
}

function aptNames(): readonly string[] {
  const search = ["search", "--names-only", "^libdnnl[0-9.]+$"];
  const { stdout } = spawnSync("apt-cache", search, { encoding: "utf8", timeout: 20_000 });
  return (stdout ?? "").split("\n").map((line) => line.split(" ")[0] ?? "");
}

function distributions(): readonly string[] {
  const text = ["/etc/os-release", "/usr/lib/os-release"].map(readIfThere).find((found) => found !== "") ?? "";
  const field = (name: string): string =>
    new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1]?.replace(/^["']|["']$/g, "") ?? "";
  return `${field("ID")} ${field("ID_LIKE")}`.split(" ").filter((name) => name !== "");
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

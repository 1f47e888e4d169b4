/**
 * Measures how much more memory this process can use before the system swaps or kills it. Two limits apply: the memory
 * that the machine has free or can free at once, and the limits of control groups (containers, batch systems). Node's
 * `process.availableMemory()` counts a group's file cache as used, so it is far too low after a dataset has been read.
 */
import { readFileSync } from "node:fs";
import { freemem } from "node:os";
import { join } from "node:path";

/** The available memory in bytes. `root` contains `/proc` and `/sys`. A file that is missing sets no limit. */
export function availableMemory(root = "/"): number {
  const machine = field(read(root, "proc/meminfo"), "MemAvailable:", 1024) ?? freemem();
  return Math.max(0, Math.min(machine, ...groupLimits(root)));
}

/** The memory left in each control group of the process and in its parent groups, in bytes. */
function groupLimits(root: string): number[] {
  const lines = read(root, "proc/self/cgroup")?.split("\n") ?? [];
  return lines.flatMap((line) => {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === "") return ancestors(path).flatMap((group) => leftInVersion2(root, group));
    return controllers.split(",").includes("memory")
      ? ancestors(path).flatMap((group) => leftInVersion1(root, group))
      : [];
  });
}

/** `/a/b` → `/a/b`, `/a`, ``. Inside a container the path may be the host's: then only the last one exists. */
function ancestors(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return parts.map((_, index) => parts.slice(0, parts.length - index).join("/")).concat("");
}

function leftInVersion2(root: string, group: string): number[] {
  const folder = join("sys/fs/cgroup", group);
  return left(
    read(root, join(folder, "memory.max")),
    read(root, join(folder, "memory.current")),
    read(root, join(folder, "memory.stat")),
    ["inactive_file", "active_file"],
  );
}

function leftInVersion1(root: string, group: string): number[] {
  const folder = join("sys/fs/cgroup/memory", group);
  return left(
    read(root, join(folder, "memory.limit_in_bytes")),
    read(root, join(folder, "memory.usage_in_bytes")),
    read(root, join(folder, "memory.stat")),
    ["total_inactive_file", "total_active_file"],
  );
}

/** Limit − usage. The file cache counts as free, because the system frees it on demand. */
function left(
  limit: string | undefined,
  usage: string | undefined,
  statistics: string | undefined,
  cache: readonly string[],
): number[] {
  const [most, used] = [Number.parseInt(limit ?? "", 10), Number.parseInt(usage ?? "", 10)];
  // "max" means no limit.
  if (Number.isNaN(most) || Number.isNaN(used)) return [];
  const reclaimable = cache.reduce((sum, name) => sum + (field(statistics, `${name} `, 1) ?? 0), 0);
  return [most - Math.max(0, used - reclaimable)];
}

/** The number after `name` in the line of `text` that begins with `name`, times `unit`. */
function field(text: string | undefined, name: string, unit: number): number | undefined {
  const line = text?.split("\n").find((candidate) => candidate.startsWith(name));
  const value = Number.parseInt(line?.slice(name.length) ?? "", 10);
  return Number.isNaN(value) ? undefined : value * unit;
}

/** The text of a system file; undefined if it does not exist, which depends on the system and its version. */
function read(root: string, path: string): string | undefined {
  try {
    return readFileSync(join(root, path), "utf8");
  } catch {
    return undefined;
  }
}

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { freemem, tmpdir, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { availableMemory } from "../../src/core/available-memory.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "espalier-memory-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function machine(files: Readonly<Record<string, string>>): number {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return availableMemory(root);
}

const meminfo = { "proc/meminfo": "MemTotal:  8000 kB\nMemFree:  1000 kB\nMemAvailable:  4000 kB\n" };

describe("available memory", () => {
  it("is what the kernel says it can give", () => {
    expect(machine(meminfo)).toBe(4000 * 1024);
  });

  it("of this machine lies between nothing and all", () => {
    expect(availableMemory()).toBeGreaterThan(0);
    expect(availableMemory()).toBeLessThanOrEqual(totalmem());
  });

  it("is what is free where the system tells no more", () => {
    expect(availableMemory(root) / freemem()).toBeCloseTo(1, 0);
  });

  it("is at most what is left in any control group around the process (version 2), its file cache not counted", () => {
    const files = {
      ...meminfo,
      "proc/self/cgroup": "0::/slice/job\n",
      "sys/fs/cgroup/slice/job/memory.max": "max\n",
      "sys/fs/cgroup/slice/job/memory.current": "900000\n",
      "sys/fs/cgroup/slice/memory.max": "2000000\n",
      "sys/fs/cgroup/slice/memory.current": "1500000\n",
      "sys/fs/cgroup/slice/memory.stat": "anon 1000000\nfile 500000\ninactive_file 300000\nactive_file 100000\n",
    };
    expect(machine(files)).toBe(2_000_000 - (1_500_000 - 400_000));
  });

  it("and in those of version 1, of which a container sees only the root", () => {
    const files = {
      ...meminfo,
      "proc/self/cgroup": "5:cpuset:/\n4:memory:/docker/0123\n0::/\n",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000000\n",
      "sys/fs/cgroup/memory/memory.usage_in_bytes": "700000\n",
      "sys/fs/cgroup/memory/memory.stat": "inactive_file 5\ntotal_inactive_file 200000\ntotal_active_file 0\n",
    };
    expect(machine(files)).toBe(500_000);
  });

  it("is nothing where a group holds more than it may", () => {
    const files = {
      ...meminfo,
      "proc/self/cgroup": "0::/\n",
      "sys/fs/cgroup/memory.max": "1000\n",
      "sys/fs/cgroup/memory.current": "2000\n",
    };
    expect(machine(files)).toBe(0);
  });

  it("is not limited by a group without a limit, as version 1 writes it", () => {
    const files = {
      ...meminfo,
      "proc/self/cgroup": "4:memory:/\n",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "sys/fs/cgroup/memory/memory.usage_in_bytes": "700000\n",
    };
    expect(machine(files)).toBe(4000 * 1024);
  });
});

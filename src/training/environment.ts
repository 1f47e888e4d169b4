/** Where and with what a run was made: no number is worth much without it. */
import { readFile } from "node:fs/promises";
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { z } from "zod";

const packageSchema = z.object({ version: z.string() });

/** Version of Espalier, as its package says. */
export async function espalierVersion(): Promise<string> {
  const text = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  return packageSchema.parse(JSON.parse(text)).version;
}

/** Versions, processor, cores and memory, as stored with a run and shown in its report. */
export async function describeEnvironment(): Promise<Readonly<Record<string, string>>> {
  return {
    espalier: await espalierVersion(),
    node: process.versions.node,
    platform: `${platform()} ${release()} ${arch()}`,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: String(availableParallelism()),
    memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
  };
}

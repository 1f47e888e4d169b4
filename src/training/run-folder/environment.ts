/** Where and with what a run was made: no number is worth much without it. */
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { espalierVersion } from "../../core/version.ts";

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

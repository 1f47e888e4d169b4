/**
 * Runs a training step of Espalier or PyTorch in a fresh process, to measure its peak memory and the time of
 * preparation.
 */
import { join } from "node:path";
import { execa } from "execa";
import { z } from "zod";
import type { Case } from "./cases.ts";
import { PeerError, peerPath, python, requireTorch } from "./peer.ts";
import { medianOf } from "./statistics.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** Number of steps that each process runs. */
const STEPS = 3;
/** Number of processes that prepare from the cache. */
const CACHED_RUNS = 3;

export interface OurProcess {
  readonly prepareMilliseconds: number;
  readonly peakBytes: number;
}

export interface OurProcesses {
  /** With an empty kernel cache, so that every choice is timed. */
  readonly first: OurProcess;
  /** With the cache of the first process; medians. */
  readonly cached: OurProcess;
}

const ourSchema = z.object({ prepareMilliseconds: z.number(), peakBytes: z.number() });
const peerSchema = z.object({ peakBytes: z.number() });

/** Runs the built `dist/`, as a user does: `npm run build` first. */
export async function ourProcesses({ model, batch, precision }: Case, threads: number): Promise<OurProcesses> {
  return inTemporaryFolder(async (folder) => {
    const run = async (): Promise<OurProcess> => {
      const parameters = [model, `${batch}`, precision, `${threads}`, `${STEPS}`, join(folder, "kernels")];
      const { stdout, failed } = await execa(process.execPath, [peerPath("espalier.mjs"), ...parameters], {
        stderr: "inherit",
        reject: false,
      });
      if (failed) throw new PeerError("Espalier's process ended before it answered; its own message is above");
      return ourSchema.parse(JSON.parse(stdout));
    };
    const first = await run();
    const cached: OurProcess[] = [];
    for (let count = 0; count < CACHED_RUNS; count++) cached.push(await run());
    return {
      first,
      cached: {
        prepareMilliseconds: medianOf(cached.map(({ prepareMilliseconds }) => prepareMilliseconds)),
        peakBytes: medianOf(cached.map(({ peakBytes }) => peakBytes)),
      },
    };
  });
}

/** Peak bytes of a Python process that runs only this step, in the memory format that needs less. */
export async function peerPeakBytes({ model, batch, precision }: Case, threads: number): Promise<number> {
  await requireTorch();
  const peaks: number[] = [];
  for (const layout of ["contiguous", "channels_last"]) {
    const parameters = [model, `${batch}`, `${threads}`, precision, layout, `${STEPS}`];
    const { stdout, failed } = await execa(python, [peerPath("memory.py"), ...parameters], {
      stderr: "inherit",
      reject: false,
    });
    if (failed) throw new PeerError("the peer ended before it answered; its own message is above");
    peaks.push(peerSchema.parse(JSON.parse(stdout)).peakBytes);
  }
  return Math.min(...peaks);
}

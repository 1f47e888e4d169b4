/** Rank 0 reads a run's folder; the other ranks, whose hosts may not see it, are handed what they need of it. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { EspalierError } from "../core/errors.ts";
import type { Cluster } from "../distributed/cluster.ts";
import { loadOnnx } from "../formats/onnx/index.ts";
import type { Network } from "../graph/graph.ts";
import { type Checkpoint, checkpointPath, readCheckpoint, readLatestCheckpoint } from "./checkpoints.ts";

/** The network in the file at `path` of rank 0, on every rank. */
export async function loadTogether(path: string, cluster: Cluster | undefined): Promise<Network> {
  if (cluster === undefined) return loadOnnx(path);
  await cluster.onFirst(async () => (await stat(path)).size);
  const content = await cluster.broadcast(cluster.isFirst ? await readFile(path) : undefined);
  return cluster.together(async () => {
    if (cluster.isFirst) return loadOnnx(path);
    const copy = await mkdtemp(join(tmpdir(), "espalier-handover-"));
    try {
      await writeFile(join(copy, basename(path)), content);
      return await loadOnnx(join(copy, basename(path)));
    } finally {
      await rm(copy, { recursive: true, force: true });
    }
  });
}

/** As `readLatestCheckpoint`, on every rank. */
export async function readLatestTogether(
  folder: string,
  onDamaged: (error: EspalierError) => void,
  cluster: Cluster | undefined,
): Promise<Checkpoint> {
  if (cluster === undefined) return readLatestCheckpoint(folder, onDamaged);
  let own: Checkpoint | undefined;
  const { step, files } = await cluster.onFirst(async () => {
    own = await readLatestCheckpoint(folder, onDamaged);
    const found = own.progress.step;
    return { step: found, files: await readdir(join(folder, checkpointPath(found))) };
  });
  const copy = cluster.isFirst ? undefined : await mkdtemp(join(tmpdir(), "espalier-handover-"));
  try {
    const target = join(copy ?? folder, checkpointPath(step));
    if (copy !== undefined) await mkdir(target, { recursive: true });
    for (const file of files) {
      const content = await cluster.broadcast(copy === undefined ? await readFile(join(target, file)) : undefined);
      if (copy !== undefined) await writeFile(join(target, file), content);
    }
    return await cluster.together(async () => own ?? readCheckpoint(copy ?? folder, step));
  } finally {
    if (copy !== undefined) await rm(copy, { recursive: true, force: true });
  }
}

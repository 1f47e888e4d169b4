/** Rank 0 reads a run's folder and sends the contents to the other ranks, whose hosts may not have access to it. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { EspalierError } from "../../core/errors.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import { loadOnnx } from "../../formats/onnx/index.ts";
import type { Network } from "../../graph/graph.ts";
import { type Checkpoint, checkpointPath, readCheckpoint, readLatestCheckpoint } from "./checkpoint-files.ts";

/** Loads the network at `path` of rank 0 on every rank. */
export async function loadTogether(path: string, cluster: Cluster): Promise<Network> {
  let own: Network | undefined;
  await cluster.onFirst(async () => {
    own = await loadOnnx(path);
    return true;
  });
  const content = await cluster.toOthers(() => readFile(path));
  return cluster.together(
    async () =>
      own ??
      withTemporaryFolder(async (folder) => {
        const copy = join(folder, basename(path));
        await writeFile(copy, content ?? "");
        return loadOnnx(copy);
      }),
  );
}

/** Does `readLatestCheckpoint` on rank 0 and returns its checkpoint on every rank. */
export async function readLatestTogether(
  folder: string,
  onDamaged: (error: EspalierError) => void,
  cluster: Cluster,
): Promise<Checkpoint> {
  let own: Checkpoint | undefined;
  const { step, files } = await cluster.onFirst(async () => {
    own = await readLatestCheckpoint(folder, onDamaged);
    const found = own.progress.step;
    return { step: found, files: await readdir(join(folder, checkpointPath(found))) };
  });
  const path = checkpointPath(step);
  const contents: (readonly [file: string, content: Uint8Array])[] = [];
  for (const file of files) {
    const content = await cluster.toOthers(() => readFile(join(folder, path, file)));
    if (content !== undefined) contents.push([file, content]);
  }
  return cluster.together(
    async () =>
      own ??
      withTemporaryFolder(async (copy) => {
        await mkdir(join(copy, path), { recursive: true });
        for (const [file, content] of contents) await writeFile(join(copy, path, file), content);
        return readCheckpoint(copy, step);
      }),
  );
}

async function withTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "espalier-broadcast-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

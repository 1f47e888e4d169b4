/**
 * Checks that all ranks have the same parameters, bit for bit. They start from the same ones and make the same steps
 * with the same sums. A rank that differs, for example after a memory fault, would silently damage the training of all.
 */
import { createHash } from "node:crypto";
import { UserError } from "../../core/errors.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import type { Weights } from "../../graph/graph.ts";

/**
 * Compares `values`, which have the same names on each rank, by their hashes.
 * @throws UserError "ranks-differ" on every rank, with the first tensor that differs and the ranks where it does.
 */
export async function requireIdentical(cluster: Cluster, values: Weights): Promise<void> {
  // One rank has nothing to compare with, and hashing all weights takes long.
  if (cluster.size === 1) return;
  const own = [...values].map(([name, { data }]) => [name, digest(data)] as const);
  const all = await cluster.gather(createHash("sha256").update(JSON.stringify(own)).digest("hex"));
  if (all.every((hash) => hash === all[0])) return;
  const digests = await cluster.gather(own);
  await cluster.together(async () => {
    if (!cluster.isFirst) return;
    for (const [index, [name, wanted]] of own.entries()) {
      const others = digests.flatMap((entries, rank) => (entries[index]?.[1] === wanted ? [] : [rank]));
      if (others.length === 0) continue;
      throw new UserError("ranks-differ", `"${name}" is not the same on all ranks`, {
        expected: `what rank 0 has: sha256 ${wanted.slice(0, 12)}…`,
        received: others.map((rank) => `another value on ${cluster.nameOf(rank)}`).join(", "),
        hint:
          'The last checkpoint is good: continue from it with "espalier resume", ' +
          "without the host that differs: its memory or processor may be faulty",
      });
    }
  });
}

function digest(data: Float32Array): string {
  return createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex");
}

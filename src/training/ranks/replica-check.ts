/**
 * That all ranks hold the same parameters, bit for bit. They start from the same, and each takes the same steps on the
 * same sums; a rank that does not, say for a memory fault, would spoil the training of all without anyone noticing.
 */
import { createHash } from "node:crypto";
import { UserError } from "../../core/errors.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import type { Weights } from "../../graph/graph.ts";

/**
 * Compares `values`, the same names on each rank, by their hashes: one hash if all is well.
 * @throws UserError "ranks-differ" that names the first tensor that differs, and on which ranks; on every rank.
 */
export async function requireIdentical(cluster: Cluster, values: Weights): Promise<void> {
  // Hashing all weights takes long, and there is nothing to compare them with.
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
        received: others.map((rank) => `another on ${cluster.nameOf(rank)}`).join(", "),
        hint:
          'The checkpoint before it is good: go on from it with "espalier resume", ' +
          "without the host whose memory or processor may be at fault",
      });
    }
  });
}

function digest(data: Float32Array): string {
  return createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex");
}

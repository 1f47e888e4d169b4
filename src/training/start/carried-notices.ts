/** Tells the user which nodes of a file are copied unchanged. */
import type { CarriedNode, Graph } from "../../graph/graph.ts";

/** Sentences about the file that `graph` was read from. */
export function carriedNotices({ header, outputs }: Graph): readonly string[] {
  const { carried } = header ?? {};
  if (carried === undefined) return [];
  const { before, behind, dropped } = carried;
  return [
    ...(before.length === 0 ? [] : [`Copied unchanged, before the network: ${opsOf(before)}`]),
    ...(behind.length === 0 ? [] : [`Copied unchanged, after the network's ${outputs.join(", ")}: ${opsOf(behind)}`]),
    ...(dropped.length === 0
      ? []
      : [`Left out of the written files, because it lies inside the network: ${dropped.join(", ")}`]),
  ];
}

/** `Cast, 2 × Resize`: the ops in the order of their first node. */
export function opsOf(nodes: readonly CarriedNode[]): string {
  const counts = new Map<string, number>();
  for (const { op } of nodes) counts.set(op, (counts.get(op) ?? 0) + 1);
  return [...counts].map(([op, count]) => (count === 1 ? op : `${count} × ${op}`)).join(", ");
}

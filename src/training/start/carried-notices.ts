/** Sentences about the parts of a file that are written again unread. */
import type { CarriedNode, Graph } from "../../graph/graph.ts";

/** What is carried over of the file that `graph` was read from, for the user. */
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

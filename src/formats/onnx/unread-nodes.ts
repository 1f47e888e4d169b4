/** Removes nodes of a file that nothing reads any more, after others were replaced. */
import type { NodeMessage } from "./proto.ts";

/** Ops that contain graphs, which read values of the graph around them. */
const withSubgraphs: ReadonlySet<string> = new Set(["If", "Loop", "Scan"]);

/** `nodes` without those that no later node reads. What a node with a subgraph reads inside is not known. */
export function withoutUnreadNodes(nodes: readonly NodeMessage[], outputs: readonly string[]): readonly NodeMessage[] {
  const read = new Set(outputs);
  let readsAll = false;
  const kept = nodes.toReversed().filter((node) => {
    const isKept = readsAll || (node.output ?? []).some((name) => read.has(name));
    if (isKept) for (const name of node.input ?? []) read.add(name);
    readsAll ||= isKept && withSubgraphs.has(node.opType ?? "");
    return isKept;
  });
  return kept.toReversed();
}

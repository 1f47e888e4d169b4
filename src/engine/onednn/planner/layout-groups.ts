/**
 * Which nodes of a graph read and write images, which of them must agree on a layout, and which images travel between
 * them.
 */
import { type Graph, type Node, readers } from "../../../graph/graph.ts";
import type { Fusions } from "./fusion.ts";

/**
 * Nodes that have images in one layout: the backward node of a batch norm or a pooling reads what its forward node
 * left.
 */
export type LayoutGroup = readonly Node[];

/** An image on its way from the group that makes it to those that read it. */
export interface Passage {
  readonly value: string;
  readonly from: LayoutGroup;
  readonly to: readonly LayoutGroup[];
}

export interface LayoutGroups {
  readonly groups: readonly LayoutGroup[];
  readonly passages: readonly Passage[];
}

/** Ops that see images row by row whatever their layout is elsewhere. */
const indifferent: ReadonlySet<Node["op"]> = new Set(["flatten", "flatten_backward", "transpose"]);

/** `images`: the values that are images. */
export function layoutGroups(graph: Graph, images: ReadonlySet<string>, fusions: Fusions): LayoutGroups {
  const isImage = (value: string): boolean => images.has(value);
  const hasImages = ({ op, inputs, outputs }: Node): boolean =>
    !indifferent.has(op) && [...inputs, ...outputs].some(isImage);
  const nodes = graph.nodes.filter((node) => !fusions.absorbed.has(node) && hasImages(node));

  const groups = new Map<string, Node[]>();
  for (const node of nodes) {
    const key = groupKey(node);
    groups.set(key, [...(groups.get(key) ?? []), node]);
  }
  const groupOf = new Map<Node, LayoutGroup>();
  for (const group of groups.values()) for (const node of group) groupOf.set(node, group);
  // What an absorbed node reads and writes, the node that does it as well reads and writes.
  for (const [node, relu] of [...fusions.reluAfter, ...fusions.reluBackwardBefore, ...fusions.reluBackwardAfter]) {
    const group = groupOf.get(node);
    if (group !== undefined) groupOf.set(relu, group);
  }

  const readersOf = readers(graph);
  const passages = graph.nodes.flatMap((node) => {
    const from = groupOf.get(node);
    if (from === undefined) return [];
    return node.outputs.filter(isImage).flatMap((value): Passage[] => {
      const reading = new Set((readersOf.get(value) ?? []).map((reader) => groupOf.get(reader)));
      const to = [...reading].filter((group) => group !== undefined && group !== from) as LayoutGroup[];
      return to.length === 0 ? [] : [{ value, from, to }];
    });
  });
  return { groups: [...groups.values()], passages };
}

/** Equal for nodes that must agree. */
function groupKey(node: Node): string {
  switch (node.op) {
    case "batch_normalization_training":
      return `statistics ${node.outputs[1]}`;
    case "batch_normalization_training_backward":
      return `statistics ${node.inputs[1]}`;
    case "max_pooling":
    case "max_pooling_backward":
      return `maxima ${node.inputs[0]} ${JSON.stringify(node.attributes)}`;
    default:
      return `node ${node.name}`;
  }
}

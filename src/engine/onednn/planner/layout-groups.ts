/** Groups the nodes of a graph that must use the same layout of images, and lists the images between groups. */
import { type Graph, type Node, readers } from "../../../graph/graph.ts";
import type { Fusions } from "./fusion.ts";

/**
 * Nodes whose images must have the same layout. For example, the backward node of a batch norm or a pooling reads the
 * workspace of its forward node.
 */
export type LayoutGroup = readonly Node[];

/** An image, the group that computes it, and the groups that read it. */
export interface Passage {
  readonly value: string;
  readonly from: LayoutGroup;
  readonly to: readonly LayoutGroup[];
}

export interface LayoutGroups {
  readonly groups: readonly LayoutGroup[];
  readonly passages: readonly Passage[];
}

/** Ops that always read images in row-major layout. */
const indifferent: ReadonlySet<Node["op"]> = new Set(["flatten", "flatten_backward", "reshape", "transpose"]);

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
  // The inputs and outputs of a fused node belong to the node that it is fused into.
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

/** A key that is equal for nodes of the same group. */
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

/**
 * Which values have layouts of images. Values of five axes are volumes only in networks that slide windows over them;
 * in others, such as transformers, they are matrices of windows and heads, which stay row-major.
 */
import type { Shape } from "../../../core/tensor.ts";
import type { Graph, Node } from "../../../graph/graph.ts";

const VOLUME_RANK = 5;

/** The ops of a network whose first input has pixels. */
const overPixels: ReadonlySet<Node["op"]> = new Set([
  ...(["convolution", "deconvolution", "max_pooling", "average_pooling", "global_average_pooling"] as const),
]);

export function hasVolumes(graph: Graph, shapes: ReadonlyMap<string, Shape>): boolean {
  return graph.nodes.some(
    ({ op, inputs: [src = ""] }) => overPixels.has(op) && shapes.get(src)?.length === VOLUME_RANK,
  );
}

/** Whether a value of `shape` is an image, or one of the `volumes` of its network. */
export function isImageShape({ length }: Shape, volumes: boolean): boolean {
  return length === VOLUME_RANK - 1 || (volumes && length === VOLUME_RANK);
}

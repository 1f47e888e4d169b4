/**
 * Pads the widths of layers to multiples of a number, because hardware is faster with them. A layer keeps some channels
 * that could be pruned. These have no effect on the outputs (their factors are zero, or no node reads them), so the cut
 * stays exact. The first such channels stay, because they are all alike.
 */
import { type Analysed, activationsOf, type Liveness } from "../graph/analysis.ts";
import { type Rounding, roundedWidth } from "../graph/width-rounding.ts";

/**
 * Marks in `alsoKept` the classes that pad each layer with weights to the next multiple of `round`, or to all channels
 * that the layer has. A layer that loses all its channels is not padded. Returns true if it marked a class: then the
 * caller has to compute the liveness again, because other layers may need more channels.
 */
export function padWidths(
  { graph, shapes, couplings, constants }: Analysed,
  { kept }: Liveness,
  alsoKept: Uint8Array,
  round: Rounding,
): boolean {
  if (round === 1) return false;
  const weights = new Set(graph.parameters.filter(({ kind }) => kind === "weights").map(({ name }) => name));
  let isChanged = false;
  for (const node of graph.nodes) {
    if (!node.inputs.some((input) => weights.has(input)) || activationsOf(node, constants).length === 0) continue;
    const [dst = ""] = node.outputs;
    const classes = couplings.classesOf(dst, 1);
    const stays = (one: number): boolean => kept[one] === 1 || alsoKept[one] === 1;
    const isPadded = (): boolean => {
      const width = classes.reduce((sum, one) => sum + (stays(one) ? 1 : 0), 0);
      return width === roundedWidth(width, shapes.get(dst)?.[1] ?? 0, round);
    };
    for (const one of classes) {
      if (isPadded()) break;
      if (stays(one)) continue;
      alsoKept[one] = 1;
      isChanged = true;
    }
  }
  return isChanged;
}

/**
 * Widths at multiples of a number, as hardware likes them: a layer keeps so many of the channels that could go that its
 * width is one. They have no effect on the outputs (their factors are zero, or nothing reads them), so the cut stays
 * exact; the first ones stay, for one zero is like another.
 */
import { type Analysed, activationsOf, type Liveness } from "../graph/analysis.ts";

/**
 * Marks in `alsoKept` the classes that fill the widths of layers with weights up to the next multiple of `round`, or to
 * all channels that the layer has. A layer that goes altogether stays gone. True if any was marked that was not kept
 * before: others may then lack channels.
 */
export function padWidths(
  { graph, shapes, couplings, constants }: Analysed,
  { kept }: Liveness,
  alsoKept: Uint8Array,
  round: number,
): boolean {
  if (round <= 1) return false;
  const weights = new Set(graph.parameters.filter(({ kind }) => kind === "weights").map(({ name }) => name));
  let isChanged = false;
  for (const node of graph.nodes) {
    if (!node.inputs.some((input) => weights.has(input)) || activationsOf(node, constants).length === 0) continue;
    const [dst = ""] = node.outputs;
    const classes = couplings.classesOf(dst, 1);
    const stays = (one: number): boolean => kept[one] === 1 || alsoKept[one] === 1;
    const isPadded = (): boolean => {
      const width = classes.reduce((sum, one) => sum + (stays(one) ? 1 : 0), 0);
      return width === 0 || width % round === 0 || width === (shapes.get(dst)?.[1] ?? 0);
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

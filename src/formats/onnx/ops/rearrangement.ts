/**
 * Recognises what a reshape, a transpose and a reshape do together: a shuffle of channels becomes one gather, and
 * pixels that become channels, or the other way round, become one space_to_depth or depth_to_space.
 */
import { elementCount, rowMajorStrides, type Shape, sameShape } from "../../../core/tensor.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, Step } from "../rules.ts";

/** The three steps, each as dims without the batch. */
interface Steps {
  /** The value in front of them. */
  readonly source: string;
  readonly from: Shape;
  /** The dims of the first reshape, and their order behind the transpose. */
  readonly apart: Shape;
  readonly order: readonly number[];
  /** The dims of the last reshape. */
  readonly to: Shape;
}

/** Adds one node if the reshape of `src` to [N, ...features] ends such a row, and returns the value that it makes. */
export function readRearrangement(
  node: NodeReader,
  context: ReadContext,
  src: string,
  features: Shape,
  step?: Step,
): string | undefined {
  const steps = stepsBefore(context, src, features);
  if (steps === undefined) return undefined;
  return readShuffle(node, context, steps, step) ?? readBlocks(node, context, steps, step);
}

function stepsBefore(context: ReadContext, src: string, to: Shape): Steps | undefined {
  const turned = context.producer(src);
  const apart = turned?.op === "transpose" ? context.producer(turned.inputs[0] ?? "") : undefined;
  if (turned?.op !== "transpose" || apart?.op !== "reshape") return undefined;
  const source = apart.inputs[0] ?? "";
  return {
    source,
    from: context.shape(source).slice(1),
    apart: apart.attributes.shape,
    order: turned.attributes.permutation.slice(1).map((axis) => axis - 1),
    to,
  };
}

/** The axes of channels are put into another order, and all pixels stay where they are. */
function readShuffle(
  node: NodeReader,
  context: ReadContext,
  { source, from, apart, order, to }: Steps,
  step: Step | undefined,
): string | undefined {
  const [channels = 0, ...pixels] = from;
  const [made = 0, ...others] = to;
  let split = 0;
  while (split < apart.length && elementCount(apart.slice(0, split)) < channels) split++;
  // Axes of extent 1 behind the channels may count among them.
  const ofChannels = apart.slice(0, split);
  const areChannels = elementCount(ofChannels) === channels && order.slice(0, split).every((axis) => axis < split);
  const keepsPixels = order.slice(split).every((axis, place) => axis === split + place);
  if (!areChannels || !keepsPixels || made !== channels || !sameShape(pixels, others)) return undefined;
  const strides = rowMajorStrides(ofChannels);
  const turned = order.slice(0, split).map((axis) => ofChannels[axis] ?? 1);
  const own = rowMajorStrides(turned);
  const sources = Array.from({ length: channels }, (_, channel) =>
    turned.reduce((sum, extent, place) => {
      const along = Math.floor(channel / (own[place] ?? 1)) % extent;
      return sum + along * (strides[order[place] ?? 0] ?? 1);
    }, 0),
  );
  return context.add(node, "gather", [source], { order: sources }, step);
}

function readBlocks(
  node: NodeReader,
  context: ReadContext,
  { source, from, apart, order, to }: Steps,
  step: Step | undefined,
): string | undefined {
  if (from.length !== 3 || apart.length !== 5 || to.length !== 3) return undefined;
  const [channels = 0, height = 0, width = 0] = from;
  const pattern = order.join();
  const deep = { "2,3,0,4,1": "DCR", "0,3,1,4,2": "CRD" } as const;
  const flat = { "2,4,0,1,3": "DCR", "0,2,4,1,3": "CRD" } as const;
  if (pattern in deep) {
    const mode = deep[pattern as keyof typeof deep];
    const block = (mode === "DCR" ? apart[0] : apart[1]) ?? 1;
    const made = channels / block ** 2;
    const squares = mode === "DCR" ? [block, block, made] : [made, block, block];
    if (!sameShape(apart, [...squares, height, width]) || !sameShape(to, [made, height * block, width * block])) {
      return undefined;
    }
    return context.add(node, "depth_to_space", [source], { block, mode }, step);
  }
  if (!(pattern in flat)) return undefined;
  const block = apart[2] ?? 1;
  const [rows, columns] = [height / block, width / block];
  const isRight = sameShape(apart, [channels, rows, block, columns, block]);
  if (!isRight || !sameShape(to, [channels * block ** 2, rows, columns])) return undefined;
  return context.add(node, "space_to_depth", [source], { block, mode: flat[pattern as keyof typeof flat] }, step);
}

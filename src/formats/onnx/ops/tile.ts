/**
 * Reads ONNX `Tile` of a value: axes of one element are broadcast, and of others the indices are taken several times.
 */

import type { ReadRule } from "../rules.ts";
import { takeAlong } from "./gather.ts";
import { broadcastTo } from "./views.ts";

export const readTile: ReadRule = (node, context) => {
  const src = node.input(0);
  const shape = context.shape(src);
  const repeats = context.integers(node, node.input(1));
  node.check(
    repeats.length === shape.length,
    "its repeats are not one for each axis",
    `${shape.length}`,
    `${repeats.length}`,
  );
  node.check(
    repeats.every((count) => count >= 1),
    "its result is empty",
    "repeats of 1 or more",
    `[${repeats}]`,
  );
  node.check(repeats[0] === 1, "repeats the images of the batch", "1", `${repeats[0]}`);
  const tiled = repeats.flatMap((count, axis) => (count > 1 && shape[axis] !== 1 ? [{ axis, count }] : []));
  const [last] = tiled.slice(-1);
  const isBroadcast = repeats.some((count, axis) => count > 1 && shape[axis] === 1);
  let value = src;
  for (const { axis, count } of tiled) {
    const size = shape[axis] ?? 1;
    const indices = Array.from({ length: count * size }, (_, index) => index % size);
    const isEnd = axis === last?.axis && !isBroadcast;
    value = takeAlong(node, context, { src: value, axis, indices }, isEnd ? undefined : { part: `axis_${axis}` });
  }
  if (isBroadcast || tiled.length === 0) {
    const features = shape.slice(1).map((size, axis) => size * (repeats[axis + 1] ?? 1));
    broadcastTo(node, context, { src: value, features, constant: node.input(1) });
  }
};

/** The two orders of the weights of a transposed convolution: [O,C/G,…] in the graph, [C,O/G,…] in ONNX. */
import { elementCount, type Shape } from "../../core/tensor.ts";

/** `shape` of [O,C/G,…] as [C,O/G,…], or the other way round. */
export function exchangedShape([rows = 0, columns = 0, ...taps]: Shape, groups: number): Shape {
  return [columns * groups, rows / groups, ...taps];
}

/** For each element of weights [C,O/G,…], in row-major order: its index in weights of `shape` [O,C/G,…]. */
export function exchangedAxes(shape: Shape, groups: number): Int32Array {
  const [, columns = 1] = shape;
  const taps = elementCount(shape.slice(2));
  const [, perGroup = 1] = exchangedShape(shape, groups);
  return Int32Array.from({ length: elementCount(shape) }, (_, place) => {
    const tap = place % taps;
    const pair = Math.floor(place / taps);
    const [channel, output] = [Math.floor(pair / perGroup), pair % perGroup];
    const row = Math.floor(channel / columns) * perGroup + output;
    return (row * columns + (channel % columns)) * taps + tap;
  });
}

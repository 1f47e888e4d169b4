/** The channel rule of a lookup: its channels are the columns of the table. Which row is read depends on the data. */
import { elementCount, type Shape } from "../../core/tensor.ts";
import { type ChannelRule, channelsOf, constantOf, indices } from "./rule.ts";

/** The channel of a number of an image, its place in the channel, and how many a channel has. */
function placeOf(column: number, shape: Shape = []): readonly [channel: number, pixel: number, pixels: number] {
  const pixels = elementCount(shape.slice(2));
  return [Math.floor(column / pixels), column % pixels, pixels];
}

export const lookup: ChannelRule<"lookup"> = {
  couple: ({ dstShape }, join) => {
    for (let index = 0; index < channelsOf(dstShape); index++) {
      join({ slot: "dst", axis: 1, index }, { slot: 1, axis: 1, index });
    }
  },
  constants: ({ parameter, dstShape }) => {
    const table = parameter(1)?.data;
    const features = channelsOf(dstShape);
    return (channel) => {
      const first = table?.[channel];
      if (table === undefined || first === undefined) return Number.NaN;
      for (let place = channel; place < table.length; place += features) {
        if (table[place] !== first) return Number.NaN;
      }
      return constantOf(first);
    };
  },
  reach: ({ attributes: { column }, shapes: [shape], dstShape }) => {
    const [read] = placeOf(column, shape);
    return (channel) => (channel === read ? indices(channelsOf(dstShape)) : []);
  },
  demands: ({ attributes: { column }, shapes: [shape] }, dst) => {
    const mask = new Uint8Array(channelsOf(shape));
    const [read] = placeOf(column, shape);
    if (read < mask.length && dst.includes(1)) mask[read] = 1;
    return [mask];
  },
  narrow: ({ attributes: { column }, shapes: [shape] }, { src }) => {
    const [read, pixel, pixels] = placeOf(column, shape);
    const kept = Math.max(0, src(0).indexOf(read));
    return { attributes: { column: kept * pixels + pixel }, slots: [0, 1] };
  },
  bypass: () => undefined,
};

/** Pixels as a picture inside a page: a PNG as a data address, so that the page stays one file. */
import { encode } from "fast-png";
import type { SampleShape } from "../data/dataset.ts";
import type { HeatPixels } from "./heat.ts";
import { element, type Markup } from "./svg.ts";

/**
 * An `<img>` of 8-bit pixels [C,H,W]: one channel is grey, three are colours, of any other number the first is shown.
 */
export function picture(pixels: Uint8Array, [channels, height, width]: SampleShape, label: string): Markup {
  const shown = channels === 3 ? 3 : 1;
  const plane = height * width;
  const data = new Uint8Array(plane * shown);
  for (let at = 0; at < plane; at++) {
    for (let channel = 0; channel < shown; channel++) data[at * shown + channel] = pixels[channel * plane + at] ?? 0;
  }
  const bytes = encode({ width, height, data, channels: shown, depth: 8 });
  return element("img", { src: addressOf(bytes), ...{ width, height, alt: label } });
}

/** Pixels with opacity as the address of a picture. */
export function pngAddress({ width, height, data }: HeatPixels): string {
  return addressOf(encode({ width, height, data, channels: 4, depth: 8 }));
}

function addressOf(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
}

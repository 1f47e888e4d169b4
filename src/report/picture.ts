/** Pixels as a PNG in a data URL, so that a page is one file. */
import { encode } from "fast-png";
import type { SampleShape } from "../data/dataset.ts";
import type { HeatPixels } from "./heat.ts";
import { element, type Markup } from "./svg.ts";

/**
 * An `<img>` of 8-bit pixels [C,H,W]: three channels are colours, otherwise the first channel is shown as grey.
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

/** Pixels with opacity as a data URL. */
export function pngAddress({ width, height, data }: HeatPixels): string {
  return addressOf(encode({ width, height, data, channels: 4, depth: 8 }));
}

function addressOf(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
}

/** Implementations of convolutions that are excluded because they give wrong results or end the process. */
import { faultsOf } from "../ffi/faults.ts";
import type { PrimitiveDescriptor } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import type { Convolution } from "./formulation.ts";

/** In oneDNN 3.7, it sometimes gave wrong results for images of one channel, whose layout is also the plain one. */
const wrongWrappers = /ncsp/;

/** Longest rows, in pixels, for which AMX's gradients of weights were found to be correct. */
export const WIDEST_ROW = 224;
/** Number of input channels that fill a tile. */
const TILE = 16;

export function isFaulty(
  program: Program,
  { direction, attributes, src }: Pick<Convolution, "direction" | "attributes" | "src">,
  primitive: PrimitiveDescriptor,
): boolean {
  const faults = faultsOf(program.library);
  const { implementation } = primitive;
  const [, channels = 0, ...pixels] = program.shape(src);
  const width = pixels.at(-1) ?? 0;
  const isAmxGradient = direction === "backward weights" && /^jit:.*amx/.test(implementation);
  const isDilated = attributes.dilation.some((step) => step > 1) && channels % TILE !== 0;
  return (
    wrongWrappers.test(implementation) ||
    (faults.oddChannelsLast && sumsOddChannelsLast(direction, primitive)) ||
    (isAmxGradient && width > WIDEST_ROW && faults.weightGradientsOfWideRows) ||
    (isAmxGradient && isDilated && faults.weightGradientsOfDilatedRests)
  );
}

/** Whether a bf16 kernel of one pixel sums over an odd number of channels of images that have them last. */
function sumsOddChannelsLast(direction: Convolution["direction"], primitive: PrimitiveDescriptor): boolean {
  if (direction === "backward weights" || !primitive.implementation.includes("jit_bf16_1x1")) return false;
  const { shape, layout } = primitive.memory(direction === "forward" ? "src" : "diffDst");
  return (shape[1] ?? 0) % 2 === 1 && layout.blocks.length === 0;
}

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
  { implementation }: PrimitiveDescriptor,
): boolean {
  const faults = faultsOf(program.library);
  const [, channels = 0, , width = 0] = program.shape(src);
  const isAmxGradient = direction === "backward weights" && /^jit:.*amx/.test(implementation);
  const isDilated = attributes.dilation.some((step) => step > 1) && channels % TILE !== 0;
  return (
    wrongWrappers.test(implementation) ||
    (isAmxGradient && width > WIDEST_ROW && faults.weightGradientsOfWideRows) ||
    (isAmxGradient && isDilated && faults.weightGradientsOfDilatedRests)
  );
}

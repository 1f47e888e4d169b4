/**
 * Implementations of convolutions that are not to be used, because the library's are wrong there or end the process.
 */
import { faultsOf } from "../ffi/faults.ts";
import type { PrimitiveDescriptor } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import type { Convolution } from "./formulation.ts";

/** Of oneDNN 3.7 for images of one channel, which are plain as well: it gave wrong numbers from time to time. */
const wrongWrappers = /ncsp/;

/** Pixels of a row up to which the gradients of weights have been seen to be right. */
const WIDEST_ROW = 256;
/** Inputs that fill a tile. */
const TILE = 16;

export function isFaulty(
  program: Program,
  { direction, attributes, src }: Convolution,
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

/**
 * Simulated 8-bit integers and their straight-through gradients (Jacob et al., CVPR 2018). The loops are plain, because
 * the engine of oneDNN runs them too. All may write over their first input, if it is not needed any more.
 */
import { integerScale, largestUnsigned, roundToEven, weightScale } from "../../graph/integer-scale.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

/** The integers 0 … 255 as numbers of steps from zero, with the size of a step, for the `range` of a value. */
function stepsOf(range: Float32Array): Record<"scale" | "lowest" | "highest" | "perUnit", number> {
  const { scale, zeroPoint } = integerScale(at(range, 0), at(range, 1));
  return { scale, lowest: 0 - zeroPoint, highest: largestUnsigned - zeroPoint, perUnit: 1 / scale };
}

export function fakeQuantize(context: KernelContext<"fake_quantize">): void {
  const { data } = input(context, 0);
  const range = input(context, 1).data;
  const { scale, lowest, highest, perUnit } = stepsOf(range);
  const dst = output(context, 0).data;
  let minimum = 0;
  let maximum = 0;
  for (let index = 0; index < data.length; index++) {
    const value = at(data, index);
    if (value < minimum) minimum = value;
    else if (value > maximum) maximum = value;
    const steps = value * perUnit;
    const nearest = steps > lowest ? (steps < highest ? roundToEven(steps) : highest) : lowest;
    // A value that is not a number stays one, so that the loss shows it.
    dst[index] = Number.isNaN(value) ? value : nearest * scale;
  }
  output(context, 1).data.set([minimum, maximum]);
}

/** The gradient passes where the nearest integer is one of 0 … 255. */
export function fakeQuantizeBackward(context: KernelContext<"fake_quantize_backward">): void {
  const { data } = input(context, 0);
  const range = input(context, 1).data;
  const { lowest, highest, perUnit } = stepsOf(range);
  const diffDst = input(context, 2).data;
  const diffSrc = output(context, 0).data;
  for (let index = 0; index < data.length; index++) {
    const nearest = roundToEven(at(data, index) * perUnit);
    diffSrc[index] = nearest >= lowest && nearest <= highest ? at(diffDst, index) : 0;
  }
}

export function fakeQuantizeWeights(context: KernelContext<"fake_quantize_weights">): void {
  const { shape, data } = input(context, 0);
  const { largest } = context.attributes;
  const rowLength = data.length / extent(shape, 0);
  const dst = output(context, 0).data;
  for (let start = 0; start < data.length; start += rowLength) {
    const scale = weightScale(data.subarray(start, start + rowLength), largest);
    for (let index = start; index < start + rowLength; index++) {
      dst[index] = roundToEven(at(data, index) / scale) * scale;
    }
  }
}

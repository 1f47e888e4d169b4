/** The `binary` op, whose operands may be broadcast, and the gradients of its operands. */
import { binaryDerivatives, binaryFunctions } from "../../graph/binary-functions.ts";
import { placesIn } from "./broadcast.ts";
import { at, input, type KernelContext, output } from "./kernel.ts";

export function binary(context: KernelContext<"binary">): void {
  const [a, b] = [input(context, 0), input(context, 1)];
  const dst = output(context, 0);
  const apply = binaryFunctions[context.attributes.function];
  const [inA, inB] = [placesIn(a.shape, dst.shape), placesIn(b.shape, dst.shape)];
  inA.forEach((place, index) => {
    dst.data[index] = apply(at(a.data, place), at(b.data, at(inB, index)));
  });
}

export function binaryBackward(context: KernelContext<"binary_backward">): void {
  const [a, b, diffDst] = [input(context, 0), input(context, 1), input(context, 2)];
  const { function: name, operand } = context.attributes;
  const derivative = binaryDerivatives[name][operand];
  const diffSrc = output(context, 0);
  const [inA, inB] = [placesIn(a.shape, diffDst.shape), placesIn(b.shape, diffDst.shape)];
  const own = operand === 0 ? inA : inB;
  const sums = new Float64Array(diffSrc.data.length);
  diffDst.data.forEach((value, index) => {
    const place = at(own, index);
    sums[place] = at(sums, place) + value * derivative(at(a.data, at(inA, index)), at(b.data, at(inB, index)));
  });
  diffSrc.data.set(sums);
}

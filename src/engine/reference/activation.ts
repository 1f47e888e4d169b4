/** The `activation` op and its gradient. Both may write over their inputs. */
import { activationDerivative, activationFunction } from "../../graph/activations.ts";
import { at, input, type KernelContext, output } from "./kernel.ts";

export function activation(context: KernelContext<"activation">): void {
  const apply = activationFunction(context.attributes);
  const dst = output(context, 0).data;
  input(context, 0).data.forEach((value, index) => {
    dst[index] = apply(value);
  });
}

export function activationBackward(context: KernelContext<"activation_backward">): void {
  const derivative = activationDerivative(context.attributes);
  const diffDst = input(context, 1).data;
  const diffSrc = output(context, 0).data;
  input(context, 0).data.forEach((value, index) => {
    diffSrc[index] = derivative(value) * at(diffDst, index);
  });
}

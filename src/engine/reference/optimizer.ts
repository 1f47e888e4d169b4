/** The ops that carry a training step's state on. All may write over their inputs. */
import { stepNesterov } from "../../autodiff/nesterov.ts";
import { accelerateProximalGradient } from "../../selection/apg.ts";
import { at, input, type KernelContext, output } from "./kernel.ts";

export function nesterovSgd(context: KernelContext<"nesterov_sgd">): void {
  stepNesterov(
    { weights: input(context, 0).data, velocity: input(context, 2).data },
    input(context, 1).data,
    { ...context.attributes, learningRate: at(input(context, 3).data, 0) },
    { weights: output(context, 0).data, velocity: output(context, 1).data },
  );
}

export function acceleratedProximalGradient(context: KernelContext<"accelerated_proximal_gradient">): void {
  accelerateProximalGradient(
    { factors: input(context, 0).data, velocity: input(context, 2).data },
    input(context, 1).data,
    { ...context.attributes, learningRate: at(input(context, 3).data, 0), gamma: input(context, 4).data },
    { factors: output(context, 0).data, velocity: output(context, 1).data },
  );
}

export function runningAverage(context: KernelContext<"running_average">): void {
  const { momentum, correction } = context.attributes;
  const batch = input(context, 1).data;
  const next = output(context, 0).data;
  input(context, 0).data.forEach((running, index) => {
    next[index] = (1 - momentum) * running + momentum * correction * at(batch, index);
  });
}

/** The ops that carry a training step's state on. All may write over their inputs. */
import { stepMuon } from "../../autodiff/muon.ts";
import { stepNesterov } from "../../autodiff/nesterov.ts";
import { required } from "../../core/errors.ts";
import { accelerateProximalGradient } from "../../selection/apg.ts";
import { watchZeros } from "../../selection/zero-stability.ts";
import { at, input, type KernelContext, optionalInput, output } from "./kernel.ts";

/** min(1, maximum / norm) of all inputs together; not a number where a gradient is not, so that it is seen. */
export function clipFactor(context: KernelContext<"clip_factor">): void {
  let squares = 0;
  for (let index = 0; index < context.inputs.length; index++) {
    const gradient = input(context, index).data;
    // Over every weight at every step: a plain loop, without a call for each.
    for (let at = 0; at < gradient.length; at++) squares += (gradient[at] ?? 0) ** 2;
  }
  const { maximum } = context.attributes;
  output(context, 0).data[0] = squares > maximum * maximum ? maximum / Math.sqrt(squares) : 1 + 0 * squares;
}

export function nesterovSgd(context: KernelContext<"nesterov_sgd">): void {
  stepNesterov(
    { weights: input(context, 0).data, velocity: input(context, 2).data },
    input(context, 1).data,
    {
      ...context.attributes,
      learningRate: at(input(context, 3).data, 0),
      gradientFactor: optionalInput(context, 4)?.[0] ?? 1,
    },
    { weights: output(context, 0).data, velocity: output(context, 1).data },
  );
}

export function muon(context: KernelContext<"muon">): void {
  const weights = input(context, 0);
  stepMuon(
    { weights: weights.data, velocity: input(context, 2).data },
    input(context, 1).data,
    weights.shape,
    {
      ...context.attributes,
      learningRate: at(input(context, 3).data, 0),
      gradientFactor: optionalInput(context, 4)?.[0] ?? 1,
    },
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

export function zeroMargin(context: KernelContext<"zero_margin">): void {
  const [factors, gradient, velocity, gamma, held, margin] = context.inputs.map(
    (_, index) => input(context, index).data,
  );
  watchZeros(
    {
      factors: required(factors, "λ"),
      gradient: required(gradient, "gradient"),
      velocity: required(velocity, "velocity"),
      gamma: required(gamma, "γ"),
    },
    { held: required(held, "steps held"), margin: required(margin, "margin") },
    { held: output(context, 0).data, margin: output(context, 1).data },
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

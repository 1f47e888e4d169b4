/**
 * Stochastic gradient descent with Nesterov momentum and weight decay, in the form of Sutskever et al. (ICML 2013) that
 * deep-learning frameworks use. With d = s·g + wd·w, s being 1 unless gradients are clipped:
 *
 *     v' = μ·v + d
 *     w' = w − η·(d + μ·v')
 */

export interface NesterovStep {
  /** η */
  readonly learningRate: number;
  /** μ */
  readonly momentum: number;
  /** wd */
  readonly weightDecay: number;
  /** s; default 1. */
  readonly gradientFactor?: number;
}

/** A parameter's values w and their velocity v, of the same length. */
export interface WeightsState {
  readonly weights: Float32Array;
  readonly velocity: Float32Array;
}

/** One step from `state` with `gradient` ∂loss/∂w into `next`, which may be `state` itself. */
export function stepNesterov(
  state: WeightsState,
  gradient: Float32Array,
  { learningRate, momentum, weightDecay, gradientFactor = 1 }: NesterovStep,
  next: WeightsState = state,
): void {
  const { weights, velocity } = state;
  // Over every weight at every step: a plain loop, without a call for each.
  for (let index = 0; index < weights.length; index++) {
    const weight = weights[index] ?? 0;
    const decayed = gradientFactor * (gradient[index] ?? 0) + weightDecay * weight;
    const speed = momentum * (velocity[index] ?? 0) + decayed;
    next.velocity[index] = speed;
    next.weights[index] = weight - learningRate * (decayed + momentum * speed);
  }
}

/**
 * Stochastic gradient descent with Nesterov momentum and weight decay, in the form of Sutskever et al. (ICML 2013), as
 * in PyTorch. With d = s·g + wd·w, where s is 1 unless gradients are clipped:
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

/** The values w of a parameter and their velocity v, of the same length. */
export interface WeightsState {
  readonly weights: Float32Array;
  readonly velocity: Float32Array;
}

/** Steps the weights from `state` to `next`, which may be `state` itself. `gradient` is ∂loss/∂w. */
export function stepNesterov(
  state: WeightsState,
  gradient: Float32Array,
  { learningRate, momentum, weightDecay, gradientFactor = 1 }: NesterovStep,
  next: WeightsState = state,
): void {
  const { weights, velocity } = state;
  // A plain loop without calls, because it runs over every weight at every step.
  for (let index = 0; index < weights.length; index++) {
    const weight = weights[index] ?? 0;
    const decayed = gradientFactor * (gradient[index] ?? 0) + weightDecay * weight;
    const speed = momentum * (velocity[index] ?? 0) + decayed;
    next.velocity[index] = speed;
    next.weights[index] = weight - learningRate * (decayed + momentum * speed);
  }
}

/**
 * One step of the paper's modified stochastic accelerated proximal gradient method (Huang and Wang, ECCV 2018,
 * equations 10 to 12). It drives scaling factors to exactly zero. In the paper's letters, with λ' the extrapolated
 * point:
 *
 *     (10)  z_t = S_{ηγ}(λ'_{t−1} − η·g)          S_a(x) = sign(x)·max(|x| − a, 0)
 *     (11)  v_t = z_t − λ'_{t−1} + μ·v_{t−1}
 *     (12)  λ'_t = z_t + μ·v_t
 *
 * A network stores the extrapolated factors λ', and the gradient g is computed there. This code differs from the paper
 * in one point: it clamps λ' at zero, so that momentum cannot make a factor negative. The ℓ1 penalty acts through S
 * alone: g must not contain a subgradient of it.
 */
import { invariant } from "../core/errors.ts";

export interface ProximalStep {
  /** η */
  readonly learningRate: number;
  /** μ */
  readonly momentum: number;
  /** γ: one for each factor, or a single one for all. A negative γ raises factors: S_a(x) = x − a then, as λ ≥ 0. */
  readonly gamma: Float32Array;
  /** Whether one factor must stay above zero, because the layer is on the only path through the network. */
  readonly keepLast: boolean;
  /** With `keepLast`: the factors [start, end) of which one must stay above zero; default: all factors. */
  readonly keepRun?: readonly [number, number];
}

/** Factors λ and their velocity v, one entry per structure. */
export interface FactorState {
  readonly factors: Float32Array;
  readonly velocity: Float32Array;
}

/**
 * S_a(x): moves `value` towards zero by `amount`, and stops at zero. A negative amount raises `value`: for λ ≥ 0 that
 * is the proximal step of a reward instead of a penalty.
 */
export function softThreshold(value: number, amount: number): number {
  if (amount < 0) return value - amount;
  return Math.sign(value) * Math.max(Math.abs(value) - amount, 0);
}

/**
 * Steps the factors from `state` to `next`, which may be `state` itself. `gradient` is ∂loss/∂λ without the penalty. If
 * `keepLast` is set and every new factor (of `keepRun`) is zero, the largest one keeps its old value, and its velocity
 * becomes zero.
 */
export function accelerateProximalGradient(
  state: FactorState,
  gradient: Float32Array,
  { learningRate, momentum, gamma, keepLast, keepRun = [0, state.factors.length] }: ProximalStep,
  next: FactorState = state,
): void {
  const { factors, velocity } = state;
  invariant(gamma.length === 1 || gamma.length === factors.length, "γ has neither one entry nor one per factor");
  const [start, end] = keepRun;
  let largest = start;
  for (let index = start; index < end; index++) {
    if ((factors[index] ?? 0) > (factors[largest] ?? 0)) largest = index;
  }
  const kept = factors[largest] ?? 0;
  factors.forEach((factor, index) => {
    const threshold = learningRate * (gamma[gamma.length === 1 ? 0 : index] ?? 0);
    const z = softThreshold(factor - learningRate * (gradient[index] ?? 0), threshold);
    const nextVelocity = z - factor + momentum * (velocity[index] ?? 0);
    next.velocity[index] = nextVelocity;
    next.factors[index] = Math.max(0, z + momentum * nextVelocity);
  });
  if (keepLast && next.factors.subarray(start, end).every((factor) => factor === 0)) {
    next.factors[largest] = kept;
    next.velocity[largest] = 0;
  }
}

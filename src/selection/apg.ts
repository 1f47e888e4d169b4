/**
 * The modified stochastic accelerated proximal gradient step of the paper (Huang and Wang, ECCV 2018, equations 10 to
 * 12), which drives scaling factors to exactly zero. In the paper's letters, with λ' its extrapolated point:
 *
 *     (10)  z_t = S_{ηγ}(λ'_{t−1} − η·g)          S_a(x) = sign(x)·max(|x| − a, 0)
 *     (11)  v_t = z_t − λ'_{t−1} + μ·v_{t−1}
 *     (12)  λ'_t = z_t + μ·v_t
 *
 * The factors that a network stores are the extrapolated λ', and the gradient g is taken there. Ours differs in one
 * point: λ' is clamped at zero, so that the momentum of a factor that dies cannot carry it to the other side.
 * The ℓ1 penalty acts through S alone: no sub-gradient of it may be part of g.
 */
import { invariant } from "../core/errors.ts";

export interface ProximalStep {
  /** η */
  readonly learningRate: number;
  /** μ */
  readonly momentum: number;
  /**
   * One for each factor, or a single one for all. Below 0 it lifts factors: S_a(x) = x − a then, as λ is never
   * negative.
   */
  readonly gamma: Float32Array;
  /** Whether the largest factor survives a step that would make all of them zero: a layer on the only path. */
  readonly keepLast: boolean;
  /** With `keepLast`: the run of factors, start and end, of which one survives; all of them if absent. */
  readonly keepRun?: readonly [number, number];
}

/** Factors λ and their velocity v, one number each a structure. */
export interface FactorState {
  readonly factors: Float32Array;
  readonly velocity: Float32Array;
}

/**
 * S_a(x): towards zero by `amount`, and zero if that would pass it. An amount below zero is added: that is the proximal
 * step of a reward −a·λ instead of a penalty, for λ ≥ 0.
 */
export function softThreshold(value: number, amount: number): number {
  if (amount < 0) return value - amount;
  return Math.sign(value) * Math.max(Math.abs(value) - amount, 0);
}

/**
 * One step of the factors, from `state` with `gradient` ∂loss/∂λ (without the penalty) into `next`, which may be
 * `state` itself. With `keepLast`, if every new factor (of `keepRun`) is zero, the one that was largest keeps its value
 * with velocity zero.
 */
export function accelerateProximalGradient(
  state: FactorState,
  gradient: Float32Array,
  { learningRate, momentum, gamma, keepLast, keepRun = [0, state.factors.length] }: ProximalStep,
  next: FactorState = state,
): void {
  const { factors, velocity } = state;
  invariant(gamma.length === 1 || gamma.length === factors.length, "γ is neither one number nor one a factor");
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

/**
 * Watches whether factors at zero stay there. With g the gradient ∂loss/∂λ and v the velocity of `apg.ts`, a step from
 * λ = 0 is
 *
 *     (10)  z = S_{ηγ}(−η·g)        z ≤ 0 exactly where the margin  g + γ ≥ 0
 *     (11)  v' = z + μ·v            v' ≤ 0 where also v ≤ 0
 *     (12)  λ' = max(0, z + μ·v')   λ' = 0 then
 *
 * So a factor at zero with v ≤ 0 stays at zero, and v stays ≤ 0, while its margin is not negative. This holds at any
 * learning rate and any momentum. (Huang and Wang, ECCV 2018, equations 10 to 12. In the paper, a gradient above +γ
 * would push λ below zero. Here λ is clamped at zero, so there is only one margin.)
 */

/** The values of one step when its gradient was computed, one entry per structure. */
export interface WatchedStep {
  readonly factors: Float32Array;
  readonly gradient: Float32Array;
  readonly velocity: Float32Array;
  readonly gamma: Float32Array;
}

/** One entry per structure. */
export interface ZeroWatch {
  /** How many steps in a row, up to the last one, had λ = 0, v ≤ 0 and a margin ≥ 0. */
  readonly held: Float32Array;
  /** The lowest margin of these steps; if there are none, the margin of the last step. */
  readonly margin: Float32Array;
}

/** Adds a step to the watch `before` and writes the result to `after`, which may be `before` itself. */
export function watchZeros(
  { factors, gradient, velocity, gamma }: WatchedStep,
  before: ZeroWatch,
  after: ZeroWatch = before,
): void {
  factors.forEach((factor, index) => {
    const margin = (gradient[index] ?? 0) + (gamma[index] ?? 0);
    const isHeld = factor === 0 && (velocity[index] ?? 0) <= 0 && margin >= 0;
    const steps = before.held[index] ?? 0;
    after.margin[index] = isHeld && steps > 0 ? Math.min(margin, before.margin[index] ?? 0) : margin;
    after.held[index] = isHeld ? steps + 1 : 0;
  });
}

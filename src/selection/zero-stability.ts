/**
 * Whether a factor at zero can come back. With g the gradient ∂loss/∂λ and v the velocity of `apg.ts`, a step from λ =
 * 0 is
 *
 *     (10)  z = S_{ηγ}(−η·g)        z ≤ 0 exactly where the margin  g + γ ≥ 0
 *     (11)  v' = z + μ·v            v' ≤ 0 where also v ≤ 0
 *     (12)  λ' = max(0, z + μ·v')   λ' = 0 then
 *
 * So a factor at zero whose velocity is not above zero stays at zero, with such a velocity, for as long as its margin
 * is not negative: whatever the learning rate, and although momentum is at work. (Huang and Wang, ECCV 2018, equations
 * 10 to 12. A gradient beyond +γ would push λ below zero in the paper; here the clamp holds it, so only this side has a
 * margin.)
 */

/** What one step sees, one number each a structure: all as they were when the gradient was taken. */
export interface WatchedStep {
  readonly factors: Float32Array;
  readonly gradient: Float32Array;
  readonly velocity: Float32Array;
  readonly gamma: Float32Array;
}

/** One number each a structure. */
export interface ZeroWatch {
  /** Steps in a row, up to the last, that left the factor at zero in the way above; 0 if the last did not. */
  readonly held: Float32Array;
  /** The lowest margin of these steps; where the last step did not hold the factor, the margin of that step alone. */
  readonly margin: Float32Array;
}

/** Adds a step to the watch: from `before` into `after`, which may be `before` itself. */
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

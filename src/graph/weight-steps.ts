/** The ops of optimizers that step weights: (w, gradient, velocity, learning rate, …) → (w', velocity'). */
import type { OpName } from "./ops.ts";

const weightSteps: ReadonlySet<string> = new Set<OpName>(["nesterov_sgd", "muon"]);

export function isWeightStep(op: string): boolean {
  return weightSteps.has(op);
}

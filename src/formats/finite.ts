/**
 * Checks that weights are finite. A run that diverged leaves NaN or infinity, and a ReLU may hide them from the
 * outputs.
 */
import { UserError } from "../core/errors.ts";
import type { Weights } from "../graph/graph.ts";

/**
 * Throws `UserError("bad-file")` if one of `weights`, read from `file`, holds NaN or an infinity. The error names the
 * tensor and the index of the value.
 */
export function requireFinite(weights: Weights, file: string): void {
  for (const [name, { data }] of weights) {
    const place = firstNotFinite(data);
    if (place < 0) continue;
    throw new UserError("bad-file", `value ${place} of ${data.length} is not a finite number`, {
      about: `tensor "${name}" in ${file}`,
      expected: "finite numbers",
      received: String(data[place]),
      hint:
        "The training diverged, or values were too large for 16-bit floats. " +
        "Use an earlier checkpoint, or export the network with 32-bit floats",
    });
  }
}

function firstNotFinite(data: Float32Array): number {
  for (let index = 0; index < data.length; index++) if (!Number.isFinite(data[index])) return index;
  return -1;
}

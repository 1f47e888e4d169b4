/**
 * Weights that are no numbers, as a training that diverged leaves them: a ReLU may swallow them, and answers look sound
 * that are not.
 */
import { UserError } from "../core/errors.ts";
import type { Weights } from "../graph/graph.ts";

/**
 * Throws `UserError("bad-file")`, naming tensor and place, if one of `weights`, read from `file`, holds NaN or an
 * infinity.
 */
export function requireFinite(weights: Weights, file: string): void {
  for (const [name, { data }] of weights) {
    const place = firstNotFinite(data);
    if (place < 0) continue;
    throw new UserError("bad-file", `value ${place} of its ${data.length} is not a finite number`, {
      about: `tensor "${name}" in ${file}`,
      expected: "finite numbers",
      received: String(data[place]),
      hint: "Its training diverged, or its numbers did not fit into 16 bits. Take an earlier state of it, or export it in 32 bits",
    });
  }
}

function firstNotFinite(data: Float32Array): number {
  for (let index = 0; index < data.length; index++) if (!Number.isFinite(data[index])) return index;
  return -1;
}

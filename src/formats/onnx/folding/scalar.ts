/**
 * Numbers of a file's constant part. Exporters compute shapes and paddings in the graph, and where the batch size goes
 * in the number depends on it: such a number is a·N + b, N being the batch size. All else is a plain number.
 */
import { UserError } from "../../../core/errors.ts";

/** `times`·N + `plus`; `times` is not 0. */
export interface BatchTerm {
  readonly times: number;
  readonly plus: number;
}

export type Scalar = number | BatchTerm;

/** The batch size itself. */
export const batchSize: BatchTerm = { times: 1, plus: 0 };

export function isBatchSize(scalar: Scalar | undefined): boolean {
  return typeof scalar === "object" && scalar.times === 1 && scalar.plus === 0;
}

function term(times: number, plus: number): Scalar {
  return times === 0 ? plus : { times, plus };
}

function parts(scalar: Scalar): BatchTerm {
  return typeof scalar === "number" ? { times: 0, plus: scalar } : scalar;
}

/** A number that does not follow from the batch size by additions and multiplications alone. */
function beyond(what: string): UserError {
  return new UserError("unsupported", `${what} a number that depends on the batch size`, {
    hint: "Export the network with a fixed batch size",
  });
}

/**
 * The plain number; throws `UserError("unsupported")`, saying `what` was done to it, where it depends on the batch
 * size.
 */
export function plain(scalar: Scalar, what: string): number {
  if (typeof scalar === "number") return scalar;
  throw beyond(what);
}

export function plus(a: Scalar, b: Scalar): Scalar {
  if (typeof a === "number" && typeof b === "number") return a + b;
  const [left, right] = [parts(a), parts(b)];
  return term(left.times + right.times, left.plus + right.plus);
}

export function minus(a: Scalar, b: Scalar): Scalar {
  return plus(a, times(b, -1));
}

export function times(a: Scalar, b: Scalar): Scalar {
  if (typeof a === "number" && typeof b === "number") return a * b;
  if (typeof a !== "number" && typeof b !== "number") throw beyond("squares");
  const [symbolic, factor] = typeof a === "number" ? [parts(b), a] : [a, plain(b, "multiplies")];
  return term(symbolic.times * factor, symbolic.plus * factor);
}

/** a / b; of integers (`whole`) rounded towards zero, as ONNX does. */
export function over(a: Scalar, b: Scalar, whole: boolean): Scalar {
  if (typeof a === "number" && typeof b === "number") return whole ? Math.trunc(a / b) : a / b;
  const [left, right] = [parts(a), parts(b)];
  // (a·N + b) / (c·N + d) is a number where both are the same line but for a factor.
  if (right.times !== 0 && left.times * right.plus === left.plus * right.times) {
    const ratio = left.times / right.times;
    if (!whole || Number.isInteger(ratio)) return ratio;
  }
  if (right.times !== 0) throw beyond("divides by");
  const [scaled, shifted] = [left.times / right.plus, left.plus / right.plus];
  if (whole && !(Number.isInteger(scaled) && Number.isInteger(shifted))) throw beyond("divides, not evenly,");
  return term(scaled, shifted);
}

/** Whether both are the same number, whatever the batch size; refused where that depends on it. */
export function equal(a: Scalar, b: Scalar): boolean {
  if (typeof a === "number" && typeof b === "number") return a === b;
  const [left, right] = [parts(a), parts(b)];
  if (left.times === right.times) return left.plus === right.plus;
  // Exporters compare extents with −1 and 0, markers that no extent is: a batch has at least one image.
  const crossing = (right.plus - left.plus) / (left.times - right.times);
  if (crossing < 1) return false;
  throw beyond("compares");
}

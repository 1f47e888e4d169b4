/**
 * Numbers in the constant part of a file. Exporters compute shapes and pads in the graph, and some of these numbers
 * depend on the batch size N. Such a number is represented as a·N + b; every other one is a plain number.
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

/** The error for an operation whose result is not of the form a·N + b. */
function notLinear(what: string): UserError {
  return new UserError("unsupported", `${what} a number that depends on the batch size`, {
    hint: "Export the network with a fixed batch size",
  });
}

/**
 * The plain number in `scalar`. Throws `UserError("unsupported")` if it depends on the batch size; `what` is the verb
 * of the message.
 */
export function plain(scalar: Scalar, what: string): number {
  if (typeof scalar === "number") return scalar;
  throw notLinear(what);
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
  if (typeof a !== "number" && typeof b !== "number") throw notLinear("squares");
  const [symbolic, factor] = typeof a === "number" ? [parts(b), a] : [a, plain(b, "multiplies")];
  return term(symbolic.times * factor, symbolic.plus * factor);
}

/** a / b. For integers (`whole`) the result is rounded towards zero, as ONNX does. */
export function dividedBy(a: Scalar, b: Scalar, whole: boolean): Scalar {
  if (typeof a === "number" && typeof b === "number") return whole ? Math.trunc(a / b) : a / b;
  const [left, right] = [parts(a), parts(b)];
  // (a·N + b) / (c·N + d) is a plain number if numerator and denominator are proportional.
  if (right.times !== 0 && left.times * right.plus === left.plus * right.times) {
    const ratio = left.times / right.times;
    if (!whole || Number.isInteger(ratio)) return ratio;
  }
  if (right.times !== 0) throw notLinear("divides by");
  const [scaled, shifted] = [left.times / right.plus, left.plus / right.plus];
  if (whole && !(Number.isInteger(scaled) && Number.isInteger(shifted)))
    throw notLinear("divides without an integer result");
  return term(scaled, shifted);
}

/** Whether `a` equals `b` for every batch size. Throws if the answer depends on the batch size. */
export function equal(a: Scalar, b: Scalar): boolean {
  if (typeof a === "number" && typeof b === "number") return a === b;
  const [left, right] = [parts(a), parts(b)];
  if (left.times === right.times) return left.plus === right.plus;
  // Exporters compare sizes with the markers −1 and 0, which no size equals: a batch has at least one image.
  const crossing = (right.plus - left.plus) / (left.times - right.times);
  if (crossing < 1) return false;
  throw notLinear("compares");
}

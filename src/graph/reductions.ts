/** The functions of the `reduction` op, of numbers that each occur a number of times. */
import type { ReductionAttributes } from "./attributes.ts";

interface Repeated {
  readonly value: number;
  readonly times: number;
}

/** The result for `numbers`, of which at least one occurs. */
export function reduced(name: ReductionAttributes["function"], numbers: readonly Repeated[]): number {
  const own = numbers.filter(({ times }) => times > 0);
  const sum = (of: (value: number) => number): number =>
    own.reduce((partial, { value, times }) => partial + of(value) * times, 0);
  switch (name) {
    case "sum":
      return sum((value) => value);
    case "mean":
      return sum((value) => value) / sum(() => 1);
    case "maximum":
      return Math.max(...own.map(({ value }) => value));
    case "minimum":
      return Math.min(...own.map(({ value }) => value));
    case "l1":
      return sum(Math.abs);
    case "l2":
      return Math.sqrt(sum((value) => value ** 2));
  }
}

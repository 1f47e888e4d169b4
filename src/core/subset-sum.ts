/** Sums of some of a list of numbers (the subset-sum problem, by dynamic programming). */

/** The sum of a subset of `numbers`, which are not negative, that is nearest to `goal`; in steps of 1 / `parts`. */
export function nearestSum(numbers: Iterable<number>, goal: number, parts: number): number {
  const wanted = goal * parts;
  // Zero is nearer than any sum above twice the goal.
  const reachable = new Uint8Array(Math.max(0, Math.ceil(2 * wanted)) + 1);
  reachable[0] = 1;
  for (const number of numbers) {
    const size = Math.round(number * parts);
    if (size === 0) continue;
    for (let sum = reachable.length - 1; sum >= size; sum--) {
      if (reachable[sum - size] === 1) reachable[sum] = 1;
    }
  }
  let found = 0;
  reachable.forEach((is, sum) => {
    if (is === 1 && Math.abs(sum - wanted) < Math.abs(found - wanted)) found = sum;
  });
  return found / parts;
}

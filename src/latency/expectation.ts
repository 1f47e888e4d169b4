/** What a layer's work and memory let expect of its time, from measurements at some widths. */

/** A time at a pair of widths. */
export interface WidthTime {
  readonly outputs: number;
  readonly inputs: number;
  readonly milliseconds: number;
}

/**
 * The least squares fit of a + b·outputs + c·inputs + d·outputs·inputs, of relative errors: a is a node's fixed time, b
 * and c read and write channels, d multiplies.
 */
export function expectation(cells: readonly WidthTime[]): (outputs: number, inputs: number) => number {
  const terms = (outputs: number, inputs: number): readonly number[] => [1, outputs, inputs, outputs * inputs];
  const matrix = Array.from({ length: 4 }, () => Array<number>(5).fill(0));
  for (const { outputs, inputs, milliseconds } of cells) {
    const own = terms(outputs, inputs);
    const weight = 1 / Math.max(milliseconds, 1e-4) ** 2;
    for (const [i, row] of matrix.entries()) {
      for (let j = 0; j < 4; j++) row[j] = (row[j] ?? 0) + weight * (own[i] ?? 0) * (own[j] ?? 0);
      row[4] = (row[4] ?? 0) + weight * (own[i] ?? 0) * milliseconds;
    }
  }
  // Few measurements leave the solution open; this picks a small one.
  for (const [i, row] of matrix.entries()) row[i] = (row[i] ?? 0) * (1 + 1e-6) + 1e-12;
  const solution = solve(matrix);
  return (outputs, inputs) =>
    terms(outputs, inputs).reduce((sum, term, index) => sum + term * (solution[index] ?? 0), 0);
}

/** Gaussian elimination with pivots; each row ends with its right side. */
function solve(matrix: number[][]): readonly number[] {
  const size = matrix.length;
  for (let column = 0; column < size; column++) {
    const pivot = matrix.reduce(
      (best, row, index) =>
        index >= column && Math.abs(row[column] ?? 0) > Math.abs(matrix[best]?.[column] ?? 0) ? index : best,
      column,
    );
    const [upper, lower] = [matrix[column] ?? [], matrix[pivot] ?? []];
    [matrix[column], matrix[pivot]] = [lower, upper];
    const own = matrix[column] ?? [];
    for (const [index, row] of matrix.entries()) {
      if (index === column) continue;
      const factor = (row[column] ?? 0) / (own[column] || 1);
      for (let at = column; at <= size; at++) row[at] = (row[at] ?? 0) - factor * (own[at] ?? 0);
    }
  }
  return matrix.map((row, index) => (row[size] ?? 0) / (row[index] || 1));
}

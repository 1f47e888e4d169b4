import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eigenpairs } from "../../src/core/eigen.ts";

function symmetric(rows: readonly (readonly number[])[]) {
  return { size: rows.length, values: Float64Array.from(rows.flat()) };
}

describe("eigenpairs", () => {
  // From numpy.linalg.eigh.
  test("of a matrix whose eigenpairs are known", () => {
    const pairs = eigenpairs(
      symmetric([
        [4, 1, -2],
        [1, 2, 0.5],
        [-2, 0.5, 3],
      ]),
    );
    const values = [5.629727765920354, 2.716348465618261, 0.6539237684613841];
    for (const [index, { value }] of pairs.entries()) expect(value).toBeCloseTo(values[index] ?? 0, 13);
    const first = [0.8007540167654305, 0.1403962940007677, -0.5823073803970535];
    for (const [index, part] of (pairs[0]?.vector ?? []).entries()) expect(part).toBeCloseTo(first[index] ?? 0, 12);
  });

  test("A·v = λ·v, of unit length, orthogonal, the largest first, for any symmetric matrix", () => {
    const matrices = fc.integer({ min: 1, max: 8 }).chain((size) =>
      fc
        .array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: size * size, maxLength: size * size })
        .map((entries) => {
          const at = (row: number, column: number): number => entries[row * size + column] ?? 0;
          return Array.from({ length: size }, (_, row) =>
            Array.from({ length: size }, (__, column) => at(Math.min(row, column), Math.max(row, column))),
          );
        }),
    );
    fc.assert(
      fc.property(matrices, (rows) => {
        const pairs = eigenpairs(symmetric(rows));
        for (const [index, { value, vector }] of pairs.entries()) {
          for (const [row, entries] of rows.entries()) {
            const product = entries.reduce((sum, entry, column) => sum + entry * (vector[column] ?? 0), 0);
            expect(Math.abs(product - value * (vector[row] ?? 0))).toBeLessThan(1e-12 * 100);
          }
          for (const [other, { vector: second }] of pairs.entries()) {
            const dot = vector.reduce((sum, part, at) => sum + part * (second[at] ?? 0), 0);
            expect(dot).toBeCloseTo(index === other ? 1 : 0, 12);
          }
          expect(value).toBeLessThanOrEqual(pairs[index - 1]?.value ?? Number.POSITIVE_INFINITY);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("of zeros, of the identity, and of one number", () => {
    expect(
      eigenpairs(
        symmetric([
          [0, 0],
          [0, 0],
        ]),
      ).map(({ value }) => value),
    ).toEqual([0, 0]);
    expect(
      eigenpairs(
        symmetric([
          [1, 0],
          [0, 1],
        ]),
      ).map(({ value }) => value),
    ).toEqual([1, 1]);
    expect(eigenpairs(symmetric([[-3]]))).toEqual([{ value: -3, vector: Float64Array.of(1) }]);
  });
});

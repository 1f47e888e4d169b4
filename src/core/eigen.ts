/** Eigenvalues and eigenvectors of symmetric matrices, by the cyclic Jacobi method. */

/** Row-major, of `size` × `size`. */
export interface SymmetricMatrix {
  readonly size: number;
  readonly values: Float64Array;
}

export interface Eigenpair {
  readonly value: number;
  /** Of length 1. Its largest component is positive, so that equal matrices give equal signs. */
  readonly vector: Float64Array;
}

/** Far more than any matrix needs: the method converges quadratically, in 6 to 10 sweeps. */
const MOST_SWEEPS = 60;

/**
 * The eigenpairs of `matrix`, the largest eigenvalue first. Each rotation makes one element off the diagonal zero
 * (Golub and Van Loan, "Matrix Computations", section 8.5). It uses only sums, products, quotients and roots, which all
 * machines round alike.
 */
export function eigenpairs({ size, values }: SymmetricMatrix): readonly Eigenpair[] {
  const matrix = Float64Array.from(values);
  const vectors = Float64Array.from({ length: size * size }, (_, index) => (index % (size + 1) === 0 ? 1 : 0));
  const at = (row: number, column: number): number => matrix[row * size + column] ?? 0;
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    let rotations = 0;
    for (let row = 0; row < size; row++) {
      for (let column = row + 1; column < size; column++) {
        // Smaller elements no longer change the diagonal.
        const smallest = Number.EPSILON * Math.sqrt(Math.abs(at(row, row) * at(column, column)));
        if (Math.abs(at(row, column)) <= Math.max(smallest, Number.MIN_VALUE)) continue;
        rotations++;
        const angle = (at(column, column) - at(row, row)) / (2 * at(row, column));
        const tangent = (angle < 0 ? -1 : 1) / (Math.abs(angle) + Math.sqrt(angle * angle + 1));
        const cosine = 1 / Math.sqrt(tangent * tangent + 1);
        const rotation = { row, column, cosine, sine: tangent * cosine };
        rotateColumns(matrix, size, rotation);
        rotateRows(matrix, size, rotation);
        rotateColumns(vectors, size, rotation);
      }
    }
    if (rotations === 0) break;
  }
  return Array.from({ length: size }, (_, column) => ({
    value: at(column, column),
    vector: withPositivePeak(Float64Array.from({ length: size }, (_, row) => vectors[row * size + column] ?? 0)),
  })).toSorted((a, b) => b.value - a.value);
}

interface Rotation {
  readonly row: number;
  readonly column: number;
  readonly cosine: number;
  readonly sine: number;
}

function rotateColumns(values: Float64Array, size: number, { row, column, cosine, sine }: Rotation): void {
  for (let index = 0; index < size; index++) {
    const [a, b] = [values[index * size + row] ?? 0, values[index * size + column] ?? 0];
    values[index * size + row] = cosine * a - sine * b;
    values[index * size + column] = sine * a + cosine * b;
  }
}

function rotateRows(values: Float64Array, size: number, { row, column, cosine, sine }: Rotation): void {
  for (let index = 0; index < size; index++) {
    const [a, b] = [values[row * size + index] ?? 0, values[column * size + index] ?? 0];
    values[row * size + index] = cosine * a - sine * b;
    values[column * size + index] = sine * a + cosine * b;
  }
}

function withPositivePeak(vector: Float64Array): Float64Array {
  const peak = vector.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
  return peak < 0 ? vector.map((value) => -value) : vector;
}

/** Products of the matrices along the last two axes of two values, and their gradients. */
import { elementCount, type Tensor } from "../../core/tensor.ts";
import { at, extent, input, type KernelContext, type OutputArray, output } from "./kernel.ts";

/** A matrix of each block of an array: where element (row, column) of block 0 lies. */
interface Matrices {
  readonly data: Float32Array;
  readonly rows: number;
  readonly columns: number;
  readonly strides: readonly [row: number, column: number];
}

function matricesOf({ shape, data }: Tensor | OutputArray): Matrices {
  const [rows, columns] = [extent(shape, shape.length - 2), extent(shape, shape.length - 1)];
  return { data, rows, columns, strides: [columns, 1] };
}

function transposed({ rows, columns, strides: [row, column], ...rest }: Matrices): Matrices {
  return { ...rest, rows: columns, columns: rows, strides: [column, row] };
}

/** dst = a · b for each of `blocks` matrices. */
function product(a: Matrices, b: Matrices, dst: Matrices, blocks: number): void {
  const size = ({ rows, columns }: Matrices): number => rows * columns;
  for (let block = 0; block < blocks; block++) {
    const [startA, startB, start] = [block * size(a), block * size(b), block * size(dst)];
    for (let row = 0; row < dst.rows; row++) {
      for (let column = 0; column < dst.columns; column++) {
        let sum = 0;
        for (let k = 0; k < a.columns; k++) {
          const left = at(a.data, startA + row * a.strides[0] + k * a.strides[1]);
          sum += left * at(b.data, startB + k * b.strides[0] + column * b.strides[1]);
        }
        dst.data[start + row * dst.strides[0] + column * dst.strides[1]] = sum;
      }
    }
  }
}

export function matmul(context: KernelContext<"matmul">): void {
  const dst = output(context, 0);
  const blocks = elementCount(dst.shape.slice(0, -2));
  product(matricesOf(input(context, 0)), matricesOf(input(context, 1)), matricesOf(dst), blocks);
}

export function matmulBackward(context: KernelContext<"matmul_backward">): void {
  const dst = output(context, 0);
  const blocks = elementCount(dst.shape.slice(0, -2));
  const other = transposed(matricesOf(input(context, 0)));
  const diffDst = matricesOf(input(context, 1));
  const [left, right] = context.attributes.operand === 0 ? [diffDst, other] : [other, diffDst];
  product(left, right, matricesOf(dst), blocks);
}

/** Folds sums over axes of constants, and products of constant matrices. */
import { elementCount } from "../../../core/tensor.ts";
import { broadcastDims, broadcastIndex } from "./broadcast.ts";
import { at, constant } from "./constant.ts";
import { reduction } from "./movement.ts";
import type { FoldRule } from "./rule.ts";
import { plain, plus, type Scalar } from "./scalar.ts";

function numeric(compute: (a: number, b: number) => number): (a: Scalar, b: Scalar) => Scalar {
  return (a, b) => compute(plain(a, "compares"), plain(b, "compares"));
}

/** [‥,R,K] · [‥,K,C], with broadcasting of the axes in front. */
const matMul: FoldRule = ({ node, input, claim }) => {
  const [a, b] = [input(0), input(1)];
  const [rows = 0, inner = 0] = a.dims.slice(-2);
  const [height = 0, columns = 0] = b.dims.slice(-2);
  const isMatrix = a.dims.length >= 2 && b.dims.length >= 2 && inner === height;
  node.check(isMatrix, "is no product of matrices", `[${rows},K] and [K,${columns}]`, `[${a.dims}] and [${b.dims}]`);
  const outer = broadcastDims(node, [a.dims.slice(0, -2), b.dims.slice(0, -2)]);
  const dims = claim([...outer, rows, columns]);
  const [ofA, ofB] = [broadcastIndex(a.dims.slice(0, -2), outer), broadcastIndex(b.dims.slice(0, -2), outer)];
  const values = Array.from({ length: elementCount(dims) }, (_, index) => {
    const column = index % columns;
    const row = Math.floor(index / columns) % rows;
    const matrix = Math.floor(index / (rows * columns));
    const [startA, startB] = [(ofA(matrix) * rows + row) * inner, ofB(matrix) * inner * columns + column];
    let sum = 0;
    for (let k = 0; k < inner; k++) {
      sum += plain(at(a, startA + k), "multiplies") * plain(at(b, startB + k * columns), "multiplies");
    }
    return sum;
  });
  return [constant(a.type, dims, values)];
};

export const sums: Readonly<Record<string, FoldRule>> = {
  MatMul: matMul,
  ReduceMax: reduction(numeric(Math.max), Number.NEGATIVE_INFINITY),
  ReduceMin: reduction(numeric(Math.min), Number.POSITIVE_INFINITY),
  ReduceSum: reduction(plus, 0),
};

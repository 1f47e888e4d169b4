/** Folds sums, norms and means over axes of constants, and products of constant matrices. */
import { elementCount } from "../../../core/tensor.ts";
import { broadcastDims, broadcastIndex } from "./broadcast.ts";
import { at, constant } from "./constant.ts";
import { reduction } from "./movement.ts";
import type { FoldRule } from "./rule.ts";
import { plain, plus, type Scalar } from "./scalar.ts";

const root = (sum: Scalar): Scalar => Math.sqrt(plain(sum, "takes the root of"));
const share = (sum: Scalar, count: number): Scalar => plain(sum, "divides") / count;
const addAbsolute = numeric("adds", (sum, value) => sum + Math.abs(value));
const addSquare = numeric("adds", (sum, value) => sum + value ** 2);

/** `rule` for floats alone: of integers, ONNX rounds. */
function ofFloats(rule: FoldRule): FoldRule {
  return (context) => {
    context.node.check(context.input(0).type === "float", "is of integers", "floats", context.input(0).type);
    return rule(context);
  };
}

/** `compute` for plain numbers. `what` is the verb of the message about one that depends on the batch size. */
function numeric(what: string, compute: (a: number, b: number) => number): (a: Scalar, b: Scalar) => Scalar {
  return (a, b) => compute(plain(a, what), plain(b, what));
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
  ReduceL1: reduction(addAbsolute, 0),
  ReduceL2: ofFloats(reduction(addSquare, 0, root)),
  ReduceMax: reduction(numeric("compares", Math.max), Number.NEGATIVE_INFINITY),
  ReduceMean: ofFloats(reduction(plus, 0, share)),
  ReduceMin: reduction(numeric("compares", Math.min), Number.POSITIVE_INFINITY),
  ReduceSum: reduction(plus, 0),
  ReduceSumSquare: reduction(addSquare, 0),
};

/**
 * ONNX `Gemm` with a transposed second matrix ↔ linear, `MatMul` of two values ↔ matmul. Also reads the other forms of
 * `Gemm`, and `MatMul` by a constant matrix.
 */
import { elementCount, type Shape, type Tensor, tensor } from "../../../core/tensor.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";

export const writeGemm: WriteRule<"linear"> = (node, context) => {
  const [src = "", ...parameters] = node.inputs;
  context.write("Gemm", node, [src, ...parameters.map((parameter) => context.view(parameter))], { transB: 1 });
};

export const readGemm: ReadRule = (node, context) => {
  node.check(node.int("transA", 0) === 0, "transposes its input and with it the batch axis (transA)");
  const isTransposed = node.int("transB", 0) === 1;
  const [alpha, beta] = [node.float("alpha", 1), node.float("beta", 1)];
  node.int("broadcast", 1);
  const [src, weights] = [node.input(0), node.input(1)];
  const inputs = [
    src,
    isTransposed && alpha === 1 ? context.parameter(node, weights) : matrix(node, context, isTransposed, alpha),
  ];
  const outputs = context.shape(inputs[1] ?? "")[0] ?? 0;
  if ((node.inputs[2] ?? "") !== "") inputs.push(biasOf(node, context, outputs, beta));
  context.add(node, "linear", inputs, {});
};

export const writeMatmul: WriteRule<"matmul"> = (node, context) => {
  context.write("MatMul", node, node.inputs);
};

/** The product of two values, or [N,F] · [F,O]: a linear layer without bias. */
export const readMatMul: ReadRule = (node, context) => {
  if (!context.isConstant(node.input(0)) && !context.isConstant(node.input(1))) {
    context.add(node, "matmul", [node.input(0), node.input(1)], {});
    return;
  }
  const rank = context.shape(node.input(0)).length;
  node.check(
    !context.isConstant(node.input(0)) && rank === 2,
    "only the product of [N,F] and a constant [F,O] is supported",
    "2 axes",
    `${rank}`,
  );
  context.add(node, "linear", [node.input(0), matrix(node, context, false, 1)], {});
};

interface Numbers {
  readonly dims: Shape;
  readonly values: Float32Array;
}

function numbersOf(node: NodeReader, context: ReadContext, value: string): Numbers {
  const found = context.constant(value);
  if (found === undefined) throw node.unsupported(`input "${value}" must be a constant, not computed from the images`);
  const { values } = found;
  if (!(values instanceof Float32Array)) throw node.unsupported(`constant "${value}" must be of floats`);
  return { dims: found.dims, values };
}

/** The second matrix times `alpha`, as [O,F]. */
function matrix(node: NodeReader, context: ReadContext, isTransposed: boolean, alpha: number): string {
  const { dims, values } = numbersOf(node, context, node.input(1));
  const [rows = 0, columns = 0] = dims;
  node.check(dims.length === 2, "its weights are not a matrix", "2 axes", `${dims.length}`);
  const weights = isTransposed ? tensor(dims, values.slice()) : transposed(values, rows, columns);
  if (alpha !== 1) for (const [index, value] of weights.data.entries()) weights.data[index] = value * alpha;
  return context.derived(node, node.input(1), "weights", weights);
}

/** [R,C] → [C,R]. */
function transposed(values: Float32Array, rows: number, columns: number): Tensor {
  const result = tensor([columns, rows]);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result.data[column * rows + row] = values[row * columns + column] ?? 0;
    }
  }
  return result;
}

/** The third input times `beta`, one number for each output. ONNX broadcasts a single number. */
function biasOf(node: NodeReader, context: ReadContext, outputs: number, beta: number): string {
  const value = node.input(2);
  const view = context.view(value);
  const isWhole =
    view !== undefined && elementCount(view.dims) === outputs && outputs > 0 && view.dims.at(-1) === outputs;
  if (isWhole && beta === 1) return context.parameter(node, value, [outputs]);
  const { dims, values } = numbersOf(node, context, value);
  node.check(
    isWhole || values.length === 1,
    "its bias is not one number for each output",
    `[${outputs}]`,
    `[${dims.join()}]`,
  );
  const bias = Float32Array.from({ length: outputs }, (_, index) => beta * (values[isWhole ? index : 0] ?? 0));
  return context.derived(node, value, "bias", tensor([outputs], bias));
}

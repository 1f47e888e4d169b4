/** ONNX `Gemm` (opset 13) with its second matrix transposed ↔ linear. */
import type { ReadRule, WriteRule } from "../rules.ts";

export const writeGemm: WriteRule<"linear"> = (node, context) => {
  const [src = "", ...parameters] = node.inputs;
  context.write("Gemm", node, [src, ...parameters.map((parameter) => context.view(parameter))], { transB: 1 });
};

export const readGemm: ReadRule = (node, context) => {
  node.check(node.int("transA", 0) === 0, "transposes its input (transA); only transB is read");
  node.check(node.int("transB", 0) === 1, "its weights are not transposed (transB = 0), which is not read yet");
  node.check(node.float("alpha", 1) === 1 && node.float("beta", 1) === 1, "alpha and beta other than 1 are not read");
  const inputs = [node.input(0), context.parameter(node, node.input(1))];
  if (node.inputs.length > 2) inputs.push(context.parameter(node, node.input(2)));
  context.add(node, "linear", inputs, {});
};

/**
 * ONNX `Gelu` ↔ the activation gelu. Opset 20 has the op. Before, it is written as the nodes that PyTorch exports,
 * which ONNX Runtime computes in one pass; `gelu-forms.ts` reads such nodes as one `Gelu`.
 */
import { geluTanh } from "../../../graph/activations.ts";
import type { Node } from "../../../graph/graph.ts";
import type { ReadRule, WriteContext } from "../rules.ts";

/** The first opset that has `Gelu`. */
const GELU_OPSET = 20;

export const readGelu: ReadRule = (node, context) => {
  const approximation = node.string("approximate", "none");
  if (approximation !== "none" && approximation !== "tanh") {
    throw node.unsupported("attribute approximate is not known", "none or tanh", approximation);
  }
  context.add(node, "activation", [node.input(0)], { function: "gelu", approximation });
};

export function writeGelu(node: Node<"activation">, approximation: "none" | "tanh", context: WriteContext): void {
  const [src = ""] = node.inputs;
  if (context.opset >= GELU_OPSET) {
    context.write("Gelu", node, [src], approximation === "none" ? {} : { approximate: approximation });
    return;
  }
  const number = (role: string, value: number): string => context.scalar(`${node.name}/${role}`, value);
  const step = (opType: string, role: string, ...inputs: readonly string[]): string =>
    context.helper(opType, `${node.name}/${role}`, inputs);
  if (approximation === "none") {
    const scaled = step("Div", "scaled", src, number("root", Math.SQRT2));
    const raised = step("Add", "raised", step("Erf", "erf", scaled), number("one", 1));
    context.write("Mul", node, [step("Mul", "product", src, raised), number("half", 0.5)]);
    return;
  }
  const cube = step("Pow", "cube", src, number("exponent", 3));
  const argument = step("Add", "argument", src, step("Mul", "cubic", cube, number("coefficient", geluTanh.cubic)));
  const scaled = step("Mul", "scaled", argument, number("slope", geluTanh.slope));
  const raised = step("Add", "raised", step("Tanh", "tanh", scaled), number("one", 1));
  context.write("Mul", node, [step("Mul", "halved", src, number("half", 0.5)), raised]);
}

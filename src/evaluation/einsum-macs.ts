/** The multiply-accumulates of ONNX's `Einsum`, from its equation and the shapes of its operands. */
import type { Shape } from "../core/tensor.ts";

/**
 * Each product of the operands' elements counts once for each operand behind the first, without any clever order:
 * ∏ sizes of all letters × (operands − 1). 0 for one operand, which is only moved or summed.
 */
export function einsumMacs(equation: string, operands: readonly Shape[]): number {
  const sizes = new Map<string, number>();
  const [left = ""] = equation.replaceAll(/\s/g, "").split("->");
  for (const [at, letters] of left.split(",").entries()) {
    const shape = operands[at] ?? [];
    for (const [axis, label] of labelsOf(letters, shape.length).entries()) {
      sizes.set(label, Math.max(sizes.get(label) ?? 1, shape[axis] ?? 1));
    }
  }
  return [...sizes.values()].reduce((product, size) => product * size, 1) * (operands.length - 1);
}

/** A label for each of the `rank` axes. Those of an ellipsis are counted from its end, as they are broadcast. */
function labelsOf(letters: string, rank: number): readonly string[] {
  const [before = "", after] = letters.split("...");
  if (after === undefined) return [...before];
  const hidden = Math.max(0, rank - before.length - after.length);
  return [...before, ...Array.from({ length: hidden }, (_, axis) => `...${hidden - axis}`), ...after];
}

/** ONNX `Split` → one slice for each part. */
import { frontAxis } from "../folding/movement.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule } from "../rules.ts";

export const readSplit: ReadRule = (node, context) => {
  const src = node.input(0);
  const shape = context.shape(src);
  const axis = frontAxis(node, node.int("axis", 0), shape.length);
  node.check(axis > 0, "splits the batch axis");
  const extent = shape[axis] ?? 0;
  const sizes = sizesOf(node, context, extent);
  node.check(
    sizes.reduce((sum, size) => sum + size, 0) === extent && sizes.every((size) => size > 0),
    "the sizes of its parts do not add up to the axis",
    `${extent}`,
    `[${sizes}]`,
  );
  const zeros = shape.map(() => 0);
  const ends = shape.map((size, each) => (each === 0 ? ("N" as const) : size));
  const steps = shape.map(() => 1);
  let start = 0;
  for (const [index, size] of sizes.entries()) {
    const output = node.outputs[index] ?? "";
    const end = start + size;
    if (output !== "") {
      const attributes = { starts: zeros.with(axis, start), ends: ends.with(axis, end), steps };
      context.add(node, "slice", [src], attributes, { part: `${index}`, output });
    }
    start = end;
  }
  node.readsAllOutputs();
};

/** Sizes of the parts: those that the node names, or equal ones with a smaller last part. */
function sizesOf(node: NodeReader, context: ReadContext, extent: number): readonly number[] {
  const count = node.int("num_outputs", node.outputCount);
  if (node.has("split")) return node.ints("split");
  if ((node.inputs[1] ?? "") !== "") return context.integers(node, node.input(1));
  const size = Math.ceil(extent / count);
  return Array.from({ length: count }, (_, index) => Math.min(size, extent - index * size));
}

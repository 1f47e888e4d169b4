/** A lookup → ONNX `Gather` of a table's rows. `../integers/` reads it. */
import type { WriteRule } from "../rules.ts";

export const writeLookup: WriteRule<"lookup"> = (node, context) => {
  const [src = "", table = ""] = node.inputs;
  const column = context.integerColumn(src, node.attributes.column, node.name);
  context.write("Gather", node, [context.view(table), column], { axis: 0 });
};

/** What `espalier inspect` says of a quantised file. */
import type { QuantizedFacts, QuantizedLayer } from "../../formats/onnx/quantized-facts.ts";
import { formatSmall, plural } from "../../report/format.ts";
import { columns, left, right } from "./columns.ts";
import { floatNodesText } from "./float-nodes.ts";

function weightsText({ weights }: QuantizedLayer): string {
  if (weights === undefined) return "";
  const { type, scales, range } = weights;
  const [smallest, largest] = range.map(formatSmall);
  return scales === 1 ? `${type} · ${smallest}` : `${type} · ${smallest} … ${largest} (${plural(scales, "scale")})`;
}

function outputText({ output }: QuantizedLayer): string {
  if (output === undefined) return "floats";
  const { type, scale, zeroPoint } = output;
  return `${type} · ${formatSmall(scale)}${zeroPoint === 0 ? "" : ` − ${formatSmall(zeroPoint * scale)}`}`;
}

/** Nodes on integers with their scales, and those on floats. */
export function quantizedLines({ layers, floats }: QuantizedFacts): string[] {
  const of = layers.length + floats.length;
  return [
    `  precision    8 bits: ${layers.length} of ${plural(of, "node")} on integers`,
    ...(floats.length === 0 ? [] : [`  on floats    ${floatNodesText(floats)}`]),
    "",
    ...columns([
      [left("node on integers"), left("op"), left("weights"), right("output")],
      ...layers.map((layer) => [left(layer.name), left(layer.op), left(weightsText(layer)), right(outputText(layer))]),
    ]),
  ];
}

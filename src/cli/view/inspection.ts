/** An inspected network as lines: a table of layers, the structures and the sums. */
import { formatCount, formatPercent, formatQuantity, percentOf, plural } from "../../report/format.ts";
import type { InspectedStructures, Inspection } from "../inspection.ts";
import type { Terminal } from "../terminal.ts";
import { columns, left, right } from "./columns.ts";

function layerTable({ layers, macs }: Inspection): string[] {
  return columns([
    [left("layer"), left("op"), left("kernel"), left("output"), right("parameters"), right("MACs"), right("share")],
    ...layers.map((layer) => [
      left(layer.name),
      left(layer.op),
      left(layer.kernel),
      left(layer.shape.join("×")),
      right(formatCount(layer.parameters)),
      right(formatCount(layer.macs)),
      right(formatPercent(percentOf(layer.macs, macs))),
    ]),
  ]);
}

/** `9 blocks, 336 neurons`, or for a network with factors `7 of 9 blocks, …`. */
function structureText(structures: readonly InspectedStructures[], hasFactors: boolean): string {
  const kinds = [...new Set(structures.map(({ kind }) => kind))];
  const parts = kinds.map((kind) => {
    const own = structures.filter((structure) => structure.kind === kind);
    const count = own.reduce((sum, structure) => sum + structure.count, 0);
    const alive = own.reduce((sum, structure) => sum + (structure.alive ?? structure.count), 0);
    return hasFactors ? `${formatCount(alive)} of ${plural(count, kind)}` : plural(count, kind);
  });
  return parts.join(", ");
}

export function inspectionLines(inspection: Inspection, { colours }: Terminal): string[] {
  const { name, inputs, parameters, macs, structures, hasFactors } = inspection;
  const [heading = "", ...rows] = layerTable(inspection);
  const images = inputs.map((input) => `${input.name} ${input.shape.join("×")}`).join(", ");
  const selectable = structureText(structures, hasFactors);
  return [
    "",
    `  ${colours.bold(name)}  ${colours.dim(images)}`,
    "",
    colours.dim(heading),
    ...rows,
    "",
    `  parameters   ${colours.bold(formatCount(parameters))} ${colours.dim(`(${formatQuantity(parameters)})`)}`,
    `  MACs         ${colours.bold(formatCount(macs))} ${colours.dim(`(${formatQuantity(macs)}, one image)`)}`,
    `  ${hasFactors ? "alive     " : "structures"}   ${selectable === "" ? "none" : selectable}`,
  ];
}

/** An inspected network as lines: a table of layers, the structures and the sums. */
import {
  formatCount,
  formatMilliseconds,
  formatPercent,
  formatQuantity,
  percentOf,
  plural,
} from "../../report/format.ts";
import type { InspectedStructures, Inspection } from "../inspection.ts";
import type { Terminal } from "../terminal.ts";
import { type Cell, columns, left, right } from "./columns.ts";
import { quantizedLines } from "./quantized.ts";

function layerTable({ layers, macs, latency }: Inspection): string[] {
  const times = (cells: readonly string[]): readonly Cell[] => (latency === undefined ? [] : cells.map(right));
  const headings = ["parameters", "MACs", "share"].map(right);
  return columns([
    [left("layer"), left("op"), left("kernel"), left("output"), ...headings, ...times(["time", "share"])],
    ...layers.map((layer) => [
      left(layer.name),
      left(layer.op),
      left(layer.kernel),
      left(layer.shape.join("×")),
      right(formatCount(layer.parameters)),
      right(formatCount(layer.macs)),
      right(formatPercent(percentOf(layer.macs, macs))),
      ...times([
        formatMilliseconds(layer.milliseconds ?? 0),
        formatPercent(percentOf(layer.milliseconds ?? 0, latency ?? 1)),
      ]),
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

/** More names than this are not listed. */
const LISTED_CLASSES = 10;

function classesText(classes: readonly string[]): string {
  const names = classes.slice(0, LISTED_CLASSES).join(", ");
  return classes.length > LISTED_CLASSES ? `${formatCount(classes.length)}: ${names}, …` : names;
}

export function inspectionLines(inspection: Inspection, { colours }: Terminal): string[] {
  const { name, inputs, parameters, macs, latency, measuredOn = "", structures, hasFactors, quantized } = inspection;
  const { classes, carried = [] } = inspection;
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
    ...(latency === undefined
      ? []
      : [`  latency      ${colours.bold(formatMilliseconds(latency))} ${colours.dim(`(predicted: ${measuredOn})`)}`]),
    `  ${hasFactors ? "alive     " : "structures"}   ${selectable === "" ? "none" : selectable}`,
    ...(classes === undefined ? [] : [`  classes      ${classesText(classes)}`]),
    ...carried.map((line) => `  ${line}`),
    ...(quantized === undefined ? [] : quantizedLines(quantized)),
  ];
}

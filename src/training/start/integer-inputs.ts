/** Checks the numbers that the data has for a network's inputs of integers, such as the number of a category. */
import { UserError } from "../../core/errors.ts";
import { columnName, type Dataset, type Split } from "../../data/dataset.ts";
import type { Graph, Input } from "../../graph/graph.ts";
import { inferShapes } from "../../graph/shapes.ts";
import type { Settings } from "../settings/settings.ts";

/** Floats of 32 bits hold every integer below it. */
const LARGEST = 2 ** 24;

/**
 * Throws unless the values of `dataset` for the integer inputs of `graph` are whole numbers, and rows of the tables
 * that they are looked up in; messages call the network `name`.
 * @throws UserError "bad-option", with the image.
 */
export function checkIntegers(graph: Graph, dataset: Dataset, name: string): void {
  for (const input of graph.inputs.filter(({ integer }) => integer !== undefined)) {
    const rows = rowsOf(graph, input);
    for (const part of ["train", "test"] as const) checkPart(input, dataset, part, rows, name);
  }
}

/** By place among the numbers of an image: the rows of the smallest table that they are looked up in. */
function rowsOf(graph: Graph, { name }: Input): ReadonlyMap<number, number> {
  const shapes = inferShapes(graph, 1);
  const rows = new Map<number, number>();
  for (const node of graph.nodes) {
    if (node.op !== "lookup" || node.inputs[0] !== name) continue;
    const [own = 0] = shapes.get(node.inputs[1] ?? "") ?? [];
    const { column } = node.attributes;
    rows.set(column, Math.min(own, rows.get(column) ?? own));
  }
  return rows;
}

function checkPart(
  { name: input }: Input,
  dataset: Dataset,
  part: "train" | "test",
  rows: ReadonlyMap<number, number>,
  name: string,
): void {
  const split = dataset[part];
  const { width, values } = split.inputs?.[input] ?? { width: 1, values: new Float32Array() };
  for (const [index, value] of values.entries()) {
    const largest = rows.get(index % width);
    const fits = largest === undefined ? Math.abs(value) < LARGEST : value >= 0 && value < largest;
    if (fits && Number.isInteger(value)) continue;
    const columns = dataset.columns?.[input];
    throw new UserError(
      "bad-option",
      Number.isInteger(value) ? "an integer is out of range" : "an input of integers gets a number with a fraction",
      {
        about:
          `input "${input}" of ${name}, ${imageOf(split, part, Math.floor(index / width))}` +
          (columns === undefined ? "" : ` (${columns.map(columnName).join(" + ")})`),
        expected: largest === undefined ? `whole numbers below ${LARGEST}` : `0 … ${largest - 1}`,
        received: String(value),
        hint:
          largest === undefined
            ? "Write whole numbers into the column, or export the network with floats for this input"
            : `The network has a table of ${largest} rows: number the categories from 0, as it was trained`,
      },
    );
  }
}

function imageOf(split: Split, part: string, place: number): string {
  const path = "files" in split ? split.files[place]?.path : undefined;
  return path === undefined ? `image ${place} of "${part}"` : `image ${path}`;
}

/**
 * Throws if images are mixed in pairs and `graph` has an input of integers.
 * @throws UserError "bad-option".
 */
export function requireUnmixed({ inputs }: Graph, { mixing }: Pick<Settings, "mixing">): void {
  const input = inputs.find(({ integer }) => integer !== undefined);
  if (mixing === undefined || input === undefined) return;
  throw new UserError("bad-option", "images whose integers name categories cannot be mixed", {
    about: `input "${input.name}"`,
    received: mixing.kind,
    hint: "Leave --mixup and --cutmix out: there is no category between two",
  });
}

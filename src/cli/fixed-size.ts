/** Lines about a `--size` that has no effect, because a file fixes the size of its images. */
import type { Graph } from "../graph/graph.ts";
import { sampleShapeOf } from "../training/start/starting-network.ts";

/** Height and width in pixels. */
type Size = readonly [height: number, width: number];

/** About the images of `graph`. None if they have that size. `name`: of the file, if there are several. */
export function unusedSizeNotes(graph: Graph, size: Size | undefined): readonly string[] {
  const [, height, width] = sampleShapeOf(graph) ?? [];
  return height === undefined || width === undefined ? [] : notesOf("the file", [height, width], size);
}

/** The same for the inputs of the file `name`, whose axes may be open: then they have a name, and the line is none. */
export function unusedSizeNotesOf(
  name: string,
  shapes: readonly (readonly (number | string)[])[],
  size: Size | undefined,
): readonly string[] {
  const images = shapes.filter(({ length }) => length === 4);
  const fixed = images.map(([, , height, width]) => [height, width] as const);
  const [first] = fixed;
  if (first === undefined || fixed.some((axes) => axes.some((axis) => typeof axis !== "number"))) return [];
  return notesOf(name, [Number(first[0]), Number(first[1])], size);
}

function notesOf(what: string, [height, width]: Size, size: Size | undefined): readonly string[] {
  if (size === undefined || (size[0] === height && size[1] === width)) return [];
  return [`--size ${size.join("x")} has no effect: ${what} fixes its images at ${height} x ${width} pixels`];
}

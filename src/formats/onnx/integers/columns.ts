/**
 * Which numbers of an integer input a value of the file is. What moves integers (a Gather of a column, a Squeeze, a
 * Reshape) is computed on the places of the numbers instead of the numbers, by the rules that compute constants.
 */
import { elementCount, type Shape } from "../../../core/tensor.ts";
import { type Constant, constant, scalarsOf } from "../folding/constant.ts";
import { foldRule } from "../folding/fold.ts";
import type { Scalar } from "../folding/scalar.ts";
import type { NodeReader } from "../node-reader.ts";
import type { TensorMessage } from "../proto.ts";

/** Numbers of an input: those in `columns` of each image, as dims [N, ...dims]. */
export interface Columns {
  readonly input: string;
  /** Places among the numbers of an image, in row-major order. */
  readonly columns: readonly number[];
  /** Without the batch. */
  readonly dims: Shape;
  /** Whether the file has cast them to floats. */
  readonly isFloat: boolean;
}

/** All numbers of `input`, which has `dims` without the batch. */
export function allColumns(input: string, dims: Shape): Columns {
  return { input, columns: Array.from({ length: elementCount(dims) }, (_, place) => place), dims, isFloat: false };
}

/**
 * As many images as places are computed for, if the file leaves the batch open. More than one tells a batch that stays
 * first from one that is moved.
 */
const IMAGES = 5;

export interface MovedNode {
  readonly node: NodeReader;
  /** The columns that an input of the node is; undefined for constants. */
  columnsOf(value: string): Columns | undefined;
  constantOf(value: string): Constant | undefined;
  tensorOf(message: TensorMessage, owner: string): Constant;
  readonly fixedBatch: number | undefined;
}

const movingOps: ReadonlySet<string> = new Set([
  ...["Concat", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"],
]);

/**
 * The outputs of a node that moves the numbers of one input; undefined if it does something else with them. Throws if
 * it moves numbers from one image to another.
 */
export function movedColumns(moved: MovedNode): readonly Columns[] | undefined {
  const { node, columnsOf, constantOf, tensorOf, fixedBatch } = moved;
  const rule = foldRule(node.opType);
  const sources = node.inputs.flatMap((input) => columnsOf(input) ?? []);
  const [source] = sources;
  if (!movingOps.has(node.opType) || rule === undefined || source === undefined) return undefined;
  // What a Gather takes by these numbers is a row of a table, and a Concat may join them with others.
  if (columnsOf(node.input(0)) === undefined) return undefined;
  const isOfOne = sources.every(({ input, isFloat }) => input === source.input && isFloat === source.isFloat);
  if (node.opType === "Concat" && !(isOfOne && sources.length === node.inputs.length)) return undefined;
  const images = fixedBatch ?? IMAGES;
  const total = Math.max(...sources.flatMap(({ columns }) => columns)) + 1;
  const optional = (index: number): Constant | undefined => {
    const name = node.inputs[index] ?? "";
    const columns = columnsOf(name);
    if (columns !== undefined) return placesOf(columns, images, total);
    const found = name === "" ? undefined : constantOf(name);
    return found === undefined ? undefined : withBatch(found, images);
  };
  const input = (index: number): Constant => {
    const found = optional(index);
    if (found === undefined) throw node.unsupported(`input ${index} is missing or not constant`);
    return found;
  };
  const results = rule({
    ...{ node, input, optional },
    extents: (index) => input(index).dims,
    integers: (index) => scalarsOf(input(index)).map(Number),
    claim: (dims) => dims,
    attributeTensor: (name) => {
      const message = node.tensor(name);
      return message === undefined ? undefined : tensorOf(message, node.name);
    },
  });
  node.finishAttributes();
  return results.map((result) => {
    const { isFloat } = source;
    return { input: source.input, isFloat, ...columnsIn(result, images, total, node) };
  });
}

/** The places of the numbers of `images` images with `total` numbers each. */
function placesOf({ columns, dims }: Columns, images: number, total: number): Constant {
  const places = Array.from({ length: images }, (_, image) => columns.map((column) => image * total + column));
  return constant("integer", [images, ...dims], places.flat());
}

/** `found` for a batch of `images`. */
function withBatch(found: Constant, images: number): Constant {
  const numberOf = (value: Scalar): number => (typeof value === "number" ? value : value.times * images + value.plus);
  return found.values instanceof Float32Array ? found : { ...found, values: found.values.map(numberOf) };
}

function columnsIn(
  { dims, values }: Constant,
  images: number,
  total: number,
  node: NodeReader,
): Pick<Columns, "columns" | "dims"> {
  const [first, ...rest] = dims;
  const perImage = elementCount(rest);
  const columns = Array.from(values.slice(0, perImage), Number);
  const isKept = [...values].every((value, place) => {
    const [image, column] = [Math.floor(place / perImage), place % perImage];
    return value === image * total + (columns[column] ?? 0);
  });
  node.check(first === images && isKept && perImage > 0, "moves integers from one image to another");
  return { columns, dims: rest };
}

/** Reads what a file does with the numbers of an integer input: rows of a table, one-hot vectors, and floats. */
import { elementCount, type Shape, sameShape } from "../../../core/tensor.ts";
import { constant, scalarsOf } from "../folding/constant.ts";
import { frontAxis } from "../folding/movement.ts";
import type { GraphReader } from "../graph-reader.ts";
import type { NodeReader } from "../node-reader.ts";
import { allColumns, type Columns } from "./columns.ts";

/** The largest table of one-hot vectors, in rows: it has as many columns. */
const MOST_CLASSES = 4096;

/** Adds what ONNX `Gather` takes from `table`: for each of `columns` a row. */
export function readLookup(node: NodeReader, reader: GraphReader, columns: Columns, table: string): void {
  const [, ...rest] = reader.shape(table);
  addLookups(node, reader, columns, table, [...columns.dims, ...rest]);
}

/** Adds the rows of `table` for `columns`, joined in this order, as a value [N, ...dims]. */
function addLookups(node: NodeReader, reader: GraphReader, columns: Columns, table: string, dims: Shape): void {
  const [rows = 0, ...rest] = reader.shape(table);
  const features = elementCount(rest);
  node.check(dims.length > 0, "leaves an image one number without an axis", "an axis behind the batch", "none");
  const parameter = reader.parameter(node, table, [rows, features]);
  const whole = [columns.columns.length * features];
  const isFlat = sameShape(whole, dims);
  const isSingle = columns.columns.length === 1;
  const parts = columns.columns.map((column, index) => {
    const step = isSingle && isFlat ? undefined : { part: isSingle ? "row" : `row${index}` };
    return reader.add(node, "lookup", [columns.input, parameter], { column }, step);
  });
  const [first = ""] = parts;
  const joined = isSingle ? first : reader.add(node, "concatenation", parts, {}, isFlat ? undefined : { part: "rows" });
  if (!isFlat) reader.add(node, "reshape", [joined], { shape: dims });
}

/** ONNX `OneHot` of `columns`, with the classes along the last axis. */
export function readOneHot(node: NodeReader, reader: GraphReader, columns: Columns): void {
  const rank = columns.dims.length + 2;
  node.check(
    frontAxis(node, node.int("axis", -1), rank) === rank - 1,
    "has its classes along another axis than the last",
  );
  const [classes = 0] = numbersOf(node, reader, node.input(1));
  const [off = 0, on = 1] = numbersOf(node, reader, node.input(2));
  addOneHot(
    node,
    reader,
    columns,
    Array.from({ length: classes }, (_, index) => index),
    [off, on],
  );
}

/** Whether each number equals each of the constant numbers in input `index`: `Equal` with an axis of classes. */
export function readEqual(node: NodeReader, reader: GraphReader, columns: Columns, index: number): void {
  const value = node.input(index);
  const dims = reader.constant(value)?.dims ?? [];
  const isRow = columns.dims.at(-1) === 1 && dims.slice(0, -1).every((size) => size === 1) && dims.length >= 1;
  node.check(
    isRow && dims.length <= columns.dims.length + 1,
    "compares integers in another form than a one-hot vector",
    "a column [N,…,1] and a row of constant integers",
  );
  const classes = numbersOf(node, reader, value);
  addOneHot(node, reader, { ...columns, dims: columns.dims.slice(0, -1) }, classes, [0, 1]);
}

/** For each of `columns` a vector with `on` at the class that it is, and `off` at the others. */
function addOneHot(
  node: NodeReader,
  reader: GraphReader,
  columns: Columns,
  classes: readonly number[],
  [off, on]: readonly [off: number, on: number],
): void {
  const rows = Math.max(...classes) + 1;
  const isOrdinary = classes.length > 0 && classes.every((one) => Number.isInteger(one) && one >= 0);
  node.check(isOrdinary, "has classes that are not whole numbers from 0", "0, 1, 2 …", `[${classes.slice(0, 8)}]`);
  node.check(rows <= MOST_CLASSES, "has too many classes", `${MOST_CLASSES}`, `${rows}`);
  const values = Float32Array.from({ length: rows * classes.length }, (_, place) =>
    Math.floor(place / classes.length) === classes[place % classes.length] ? on : off,
  );
  const name = `${node.name}.classes`;
  const table = reader.declareNew(name, constant("float", [rows, classes.length], values));
  // The file has no weights here: nothing of the table is trained.
  reader.computed.add(table);
  addLookups(node, reader, columns, table, [...columns.dims, classes.length]);
}

function numbersOf(node: NodeReader, reader: GraphReader, value: string): readonly number[] {
  const found = reader.constant(value);
  if (found === undefined) throw node.unsupported(`input "${value}" must be constant`);
  return scalarsOf(found).map(Number);
}

/** Whether `columns` are all of the input's numbers, with its dims. */
export function isPlain(reader: GraphReader, columns: Columns): boolean {
  return isWhole(reader, columns) && sameShape(reader.shape(columns.input).slice(1), columns.dims);
}

function isWhole(reader: GraphReader, { input, columns }: Columns): boolean {
  return sameShape(allColumns(input, reader.shape(input).slice(1)).columns, columns);
}

/** The value of the network that `columns` are as floats; throws for one number of several without an axis. */
export function floatsOf(node: NodeReader, reader: GraphReader, columns: Columns): string {
  if (isPlain(reader, columns)) return columns.input;
  node.check(
    columns.dims.length > 0,
    "computes with one number of each image that has no axis of its own",
    "an axis behind the batch",
    "none",
  );
  if (isWhole(reader, columns)) {
    return reader.add(node, "reshape", [columns.input], { shape: columns.dims }, { part: "numbers" });
  }
  const [, ...own] = reader.shape(columns.input);
  const flat = own.length === 1 ? columns.input : reader.add(node, "flatten", [columns.input], {}, { part: "flat" });
  const taken = reader.add(node, "gather", [flat], { order: columns.columns }, { part: "taken" });
  if (columns.dims.length === 1) return taken;
  return reader.add(node, "reshape", [taken], { shape: columns.dims }, { part: "numbers" });
}

/**
 * Reads the numbers of a NumPy file (.npy), by the description of the format in NumPy's documentation: a magic number,
 * a version, and a dictionary of Python with the type, the order and the shape; then the values.
 */
import { UserError } from "../core/errors.ts";
import { elementCount, type Shape } from "../core/tensor.ts";
import { halfToFloat } from "./short-floats.ts";

export interface NpyArray {
  readonly shape: Shape;
  /** In row-major order. */
  readonly values: readonly number[];
}

interface ElementType {
  readonly bytes: number;
  read(view: DataView, at: number): number;
}

/** By NumPy's names of types, without the byte order, which is little-endian. */
const elements: ReadonlyMap<string, ElementType> = new Map([
  ["f2", { bytes: 2, read: (view, at) => halfToFloat(view.getUint16(at, true)) }],
  ["f4", { bytes: 4, read: (view, at) => view.getFloat32(at, true) }],
  ["f8", { bytes: 8, read: (view, at) => view.getFloat64(at, true) }],
  ["i1", { bytes: 1, read: (view, at) => view.getInt8(at) }],
  ["i2", { bytes: 2, read: (view, at) => view.getInt16(at, true) }],
  ["i4", { bytes: 4, read: (view, at) => view.getInt32(at, true) }],
  ["i8", { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) }],
  ["u1", { bytes: 1, read: (view, at) => view.getUint8(at) }],
  ["b1", { bytes: 1, read: (view, at) => view.getUint8(at) }],
]);

/** Reads the file `path` with the content `bytes`. @throws UserError "bad-file" if it is not such a file. */
export function readNpy(bytes: Uint8Array, path: string): NpyArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const refuse = (what: string, expected: string, received: string): UserError =>
    new UserError("bad-file", what, {
      ...{ about: path, expected, received },
      hint: "Write the array with numpy.save(path, array.astype('float32'))",
    });
  const isNumpy = bytes.length >= 12 && String.fromCharCode(...bytes.subarray(1, 6)) === "NUMPY" && bytes[0] === 0x93;
  if (!isNumpy) throw refuse("is not a NumPy file", "a .npy file", `${bytes.length} bytes`);
  const isOld = bytes[6] === 1;
  const start = isOld ? 10 : 12;
  const end = start + (isOld ? view.getUint16(8, true) : view.getUint32(8, true));
  const header = new TextDecoder("latin1").decode(bytes.subarray(start, end));
  const [, order = "", name = ""] = /'descr':\s*'([<|>=]?)(\w+)'/.exec(header) ?? [];
  const element = elements.get(name);
  if (element === undefined || (order === ">" && element.bytes > 1)) {
    throw refuse("has values of an unsupported type", "real numbers, little-endian", `${order}${name}` || "none");
  }
  if (/'fortran_order':\s*True/.test(header)) throw refuse("is not in row-major order", "C order", "Fortran order");
  const [, dims] = /'shape':\s*\(([\d,\s]*)\)/.exec(header) ?? [];
  const shape = (dims ?? "").split(",").flatMap((dim) => (dim.trim() === "" ? [] : [Number(dim)]));
  const count = elementCount(shape);
  if (dims === undefined || bytes.length - end !== count * element.bytes) {
    throw refuse("is cut short or damaged", `${count * element.bytes} bytes of values`, `${bytes.length - end}`);
  }
  return {
    shape,
    values: Array.from({ length: count }, (_, index) => element.read(view, end + index * element.bytes)),
  };
}

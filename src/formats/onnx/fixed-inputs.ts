/**
 * Inputs of a file besides the images, given a fixed value: they become constants of the network, as exporters write
 * them. What reads a written file then has the images alone to give.
 */
import { UserError } from "../../core/errors.ts";
import { unknownName } from "../../core/names.ts";
import { elementCount, formatShape, type Shape } from "../../core/tensor.ts";
import type { ModelMessage, TensorMessage, ValueMessage } from "./proto.ts";

/** The value of each fixed input by its name: one number for all of its elements, or all of them in row-major order. */
export type FixedInputs = Readonly<Record<string, number | readonly number[]>>;

const FLOAT = 1;
const BOOLEAN = 9;

interface ElementType {
  readonly dataType: number;
  /** Its numbers in words. */
  readonly words: string;
  holds(value: number): boolean;
  bytesOf(values: readonly number[]): Float32Array | Int32Array | BigInt64Array | Uint8Array;
}

/** By `TensorProto.DataType`: the element type of the constant and its bytes. Floats of any width become 32 bits. */
const floats: ElementType = {
  dataType: FLOAT,
  words: "finite 32-bit floats",
  holds: (value) => Number.isFinite(Math.fround(value)),
  bytesOf: (values) => Float32Array.from(values),
};
const whole = { words: "whole numbers", holds: Number.isSafeInteger };
const types: ReadonlyMap<number, ElementType> = new Map<number, ElementType>([
  ...[FLOAT, 10, 11, 16].map((type) => [type, floats] as const),
  [
    6,
    {
      dataType: 6,
      words: "whole numbers of 32 bits",
      holds: (value) => value === Math.trunc(value) && Math.abs(value) < 2 ** 31,
      bytesOf: (values) => Int32Array.from(values),
    },
  ],
  [7, { ...whole, dataType: 7, bytesOf: (values) => BigInt64Array.from(values, BigInt) }],
  [
    BOOLEAN,
    { ...whole, dataType: BOOLEAN, bytesOf: (values) => Uint8Array.from(values, (value) => Number(value !== 0)) },
  ],
]);

/**
 * `model` with a tensor for each of `fixed`. The batch and other open axes have extent 1.
 * @throws UserError "unknown-name" for an input that there is not; "bad-option" for another number of values, or if no
 * input is left; "unsupported" for text and other types.
 */
export function withFixedInputs(model: ModelMessage, fixed: FixedInputs, file: string): ModelMessage {
  const { graph } = model;
  const names = Object.keys(fixed);
  if (graph === undefined || graph === null || names.length === 0) return model;
  const stored = new Set((graph.initializer ?? []).map(({ name }) => name ?? ""));
  const inputs = new Map(
    (graph.input ?? []).flatMap((value) => (stored.has(value.name ?? "") ? [] : [[value.name ?? "", value]])),
  );
  const tensors = names.map((name) => {
    const input = inputs.get(name);
    if (input === undefined) throw unknownName("input", name, [...inputs.keys()]);
    return tensorOf(name, input, fixed[name] ?? 0, file);
  });
  if (names.length >= inputs.size) {
    throw new UserError("bad-option", "no input is left for the images", {
      about: file,
      received: names.join(", "),
      hint: "Leave the input of the images out",
    });
  }
  return { ...model, graph: { ...graph, initializer: [...(graph.initializer ?? []), ...tensors] } };
}

function tensorOf(name: string, input: ValueMessage, value: number | readonly number[], file: string): TensorMessage {
  const about = `input "${name}" in ${file}`;
  const { elemType, shape } = input.type?.tensorType ?? {};
  const type = types.get(elemType ?? 0);
  if (type === undefined) {
    throw new UserError("unsupported", "has values that cannot be fixed", {
      about,
      expected: "floats, integers of 32 or 64 bits, or booleans",
      received: `type ${elemType ?? "none"}`,
      hint: "Export the network with numbers for this input",
    });
  }
  const dims: Shape = (shape?.dim ?? []).map(({ dimValue }) => Math.max(1, dimValue ?? 1));
  const count = elementCount(dims);
  const values = typeof value === "number" ? Array<number>(count).fill(value) : value;
  if (values.length !== count) {
    throw new UserError("bad-option", "has another number of values", {
      about,
      expected: `1 or ${count}, for ${dims.length === 0 ? "a scalar" : `the shape ${formatShape(dims)}`}`,
      received: String(values.length),
      hint: "Give one number for all of them, or a .npy file of this shape",
    });
  }
  const strange = values.find((one) => !type.holds(one));
  if (strange !== undefined) {
    throw new UserError("bad-option", `cannot have the value ${strange}`, {
      about,
      expected: type.words,
      hint: "Correct the value",
    });
  }
  const { buffer, byteOffset, byteLength } = type.bytesOf(values);
  const rawData = new Uint8Array(buffer, byteOffset, byteLength);
  return { name, dims: [...dims], dataType: type.dataType, rawData };
}

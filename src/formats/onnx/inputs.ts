/** The inputs of a file's graph: images, the batch size open or fixed. */
import { UserError } from "../../core/errors.ts";
import type { Input, SymbolicShape } from "../../graph/graph.ts";
import type { Constant } from "./folding/constant.ts";
import type { ModelMessage, ValueMessage } from "./proto.ts";

/** `TensorProto.DataType` of floats: a network is run in 32 bits, whichever of them its file asks for. */
const floatTypes: ReadonlyMap<number, string> = new Map([
  [1, "FLOAT"],
  [10, "FLOAT16"],
  [11, "DOUBLE"],
  [16, "BFLOAT16"],
]);

export interface Inputs {
  readonly inputs: readonly Input[];
  /** Name of the batch size, or the size the file fixes; undefined where it says nothing. */
  readonly batch: string | number | undefined;
  /** Their element types. */
  readonly types: ReadonlySet<number>;
}

/** Old files list their tensors among the inputs; these, `initializers`, are passed over. */
export function readInputs(
  graph: NonNullable<ModelMessage["graph"]>,
  initializers: ReadonlyMap<string, Constant>,
  file: string,
): Inputs {
  const images = (graph.input ?? []).filter(({ name }) => !initializers.has(name ?? ""));
  const inputs = images.map((value) => inputOf(value, file));
  const [batch] = images[0]?.type?.tensorType?.shape?.dim ?? [];
  const size = batch?.dimValue ?? 0;
  const types = new Set(images.map(({ type }) => type?.tensorType?.elemType ?? 0));
  return { inputs, batch: batch?.dimParam || (size > 0 ? size : undefined), types };
}

function inputOf({ name, type }: ValueMessage, file: string): Input {
  const about = `input "${name ?? ""}" in ${file}`;
  const elementType = type?.tensorType?.elemType;
  if (!floatTypes.has(elementType ?? 0)) {
    throw new UserError("unsupported", "has an element type that is not read", {
      about,
      expected: [...floatTypes.values()].join(", "),
      received: `type ${elementType ?? "none"}`,
      hint: "Export the network with images of floats",
    });
  }
  const shape: SymbolicShape = (type?.tensorType?.shape?.dim ?? []).map(({ dimParam, dimValue }, axis) => {
    const size = dimValue ?? 0;
    if (axis === 0) return "N";
    if (dimParam || size < 1) {
      throw new UserError("unsupported", `axis ${axis} must have a fixed size`, {
        about,
        received: dimParam ? `"${dimParam}"` : `${size}`,
        hint: "Export the network for images of one size; only the number of images may stay open.",
      });
    }
    return size;
  });
  if (shape.length === 0) {
    throw new UserError("unsupported", "has no shape", {
      about,
      hint: "Export the network with the size of its images",
    });
  }
  return { name: name ?? "", dtype: "f32", shape };
}

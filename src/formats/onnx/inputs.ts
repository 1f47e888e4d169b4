/** Reads the inputs of a file's graph: images with an open or a fixed batch size. */
import { UserError } from "../../core/errors.ts";
import type { Input, SymbolicShape } from "../../graph/graph.ts";
import type { Constant } from "./folding/constant.ts";
import type { ModelMessage, ValueMessage } from "./proto.ts";

/** Float types of `TensorProto.DataType`. A network runs in 32 bits, whichever of them its file names. */
const floatTypes: ReadonlyMap<number, string> = new Map([
  [1, "FLOAT"],
  [10, "FLOAT16"],
  [11, "DOUBLE"],
  [16, "BFLOAT16"],
]);

export interface Inputs {
  readonly inputs: readonly Input[];
  /** Name of the batch axis, or the size that the file fixes; undefined if the file says neither. */
  readonly batch: string | number | undefined;
  /** Element types of the inputs. */
  readonly types: ReadonlySet<number>;
}

/** Reads the inputs of `graph`. Old files list their initializers among the inputs; those are skipped. */
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
    throw new UserError("unsupported", "has an unsupported element type", {
      about,
      expected: [...floatTypes.values()].join(", "),
      received: `type ${elementType ?? "none"}`,
      hint: "Export the network with float inputs",
    });
  }
  const shape: SymbolicShape = (type?.tensorType?.shape?.dim ?? []).map(({ dimParam, dimValue }, axis) => {
    const size = dimValue ?? 0;
    if (axis === 0) return "N";
    if (dimParam || size < 1) {
      throw new UserError("unsupported", `axis ${axis} must have a fixed size`, {
        about,
        received: dimParam ? `"${dimParam}"` : `${size}`,
        hint: "Export the network for one image size; only the batch size may stay open",
      });
    }
    return size;
  });
  if (shape.length === 0) {
    throw new UserError("unsupported", "has no shape", {
      about,
      hint: "Export the network with a fixed image size",
    });
  }
  return { name: name ?? "", dtype: "f32", shape };
}

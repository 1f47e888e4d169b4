/** Reads the inputs of a file's graph: images with an open or a fixed batch size. */
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import type { Pair } from "../../graph/attributes.ts";
import type { Input, IntegerType, SymbolicShape } from "../../graph/graph.ts";
import type { Constant } from "./folding/constant.ts";
import { dataTypes, type ModelMessage, type ValueMessage } from "./proto.ts";

/** The axes of height and width of an input whose `isOpen` axes have no size; none if it is no batch of images. */
function pixelAxes(isOpen: readonly boolean[]): readonly number[] {
  if (isOpen.length !== 4) return [];
  // Channels that come last are the only axis with a size.
  return isOpen[1] === true && isOpen[2] === true && isOpen[3] !== true ? [1, 2] : [2, 3];
}

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

/**
 * Reads the inputs of `graph`, with `size` as the height and width of images where the file leaves them open. Old files
 * list their initializers among the inputs; those are skipped.
 */
export function readInputs(
  graph: NonNullable<ModelMessage["graph"]>,
  initializers: ReadonlyMap<string, Constant>,
  file: string,
  size?: Pair,
): Inputs {
  const images = imagesFirst((graph.input ?? []).filter(({ name }) => !initializers.has(name ?? "")));
  const inputs = images.map((value, index) => inputOf(value, file, size, index > 0));
  const [batch] = images[0]?.type?.tensorType?.shape?.dim ?? [];
  const fixed = batch?.dimValue ?? 0;
  const types = new Set(images.map(({ type }) => type?.tensorType?.elemType ?? 0));
  return { inputs, batch: batch?.dimParam || (fixed > 0 ? fixed : undefined), types };
}

/** Axes of a batch of images. */
const IMAGE_RANK = 4;

/** `values` with the first batch of images in front of vectors, which some files list before it. */
function imagesFirst(values: readonly ValueMessage[]): readonly ValueMessage[] {
  const rankOf = ({ type }: ValueMessage): number => type?.tensorType?.shape?.dim?.length ?? 0;
  const images = values.find((value) => rankOf(value) === IMAGE_RANK);
  const [first] = values;
  if (images === undefined || first === undefined || rankOf(first) > 2) return values;
  return [images, ...values.filter((value) => value !== images)];
}

/** Integer types of `TensorProto.DataType` that inputs besides the images may have. */
const integerTypeOf: ReadonlyMap<number, IntegerType> = new Map([
  [dataTypes.int32, "int32"],
  [dataTypes.int64, "int64"],
]);

function inputOf({ name, type }: ValueMessage, file: string, given: Pair | undefined, mayCount: boolean): Input {
  const about = `input "${name ?? ""}" in ${file}`;
  const elementType = type?.tensorType?.elemType;
  const integer = mayCount ? integerTypeOf.get(elementType ?? 0) : undefined;
  if (integer === undefined && !floatTypes.has(elementType ?? 0)) {
    throw new UserError("unsupported", "has an unsupported element type", {
      about,
      expected: [...floatTypes.values(), ...(mayCount ? ["INT32", "INT64"] : [])].join(", "),
      received: `type ${elementType ?? "none"}`,
      hint: mayCount ? "Export the network with one of these types" : "Export the network with float inputs",
    });
  }
  const dims = type?.tensorType?.shape?.dim ?? [];
  const isOpen = dims.map(({ dimParam, dimValue }) => Boolean(dimParam) || (dimValue ?? 0) < 1);
  const pixels = pixelAxes(isOpen);
  const shape: SymbolicShape = dims.map(({ dimParam, dimValue }, axis) => {
    if (axis === 0) return "N";
    if (isOpen[axis] !== true) return dimValue ?? 1;
    const size = given?.[pixels.indexOf(axis)];
    if (size !== undefined) return size;
    throw new UserError("unsupported", `axis ${axis} must have a fixed size`, {
      about,
      received: dimParam ? `"${dimParam}"` : `${dimValue ?? 0}`,
      hint: pixels.includes(axis)
        ? "Its height and width are open: say which ones to use, such as --size 224"
        : "Export the network for one image size; only the batch size, height and width may stay open",
    });
  });
  if (shape.length === 0) {
    throw new UserError("unsupported", "has no shape", {
      about,
      hint: "Export the network with a fixed image size",
    });
  }
  return { name: name ?? "", dtype: "f32", shape, ...optional({ integer }) };
}

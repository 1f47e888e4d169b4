/**
 * Computes the gradient of a convolution's weights with several images side by side as one wide image. Between them are
 * gaps of zeros as wide as the padding. The library's AMX kernel sums row by row in tiles of 32 pixels. Rows of 4 to 14
 * pixels leave most of a tile empty, and each row loads and stores all sums. Two copies of images take less time.
 */
import { required } from "../../../core/errors.ts";
import type { Shape } from "../../../core/tensor.ts";
import type { Operation } from "../ffi/abi.ts";
import { argument } from "../ffi/constants.ts";
import { describeMemory, describeStrided, type MemoryDescriptor } from "../ffi/memory.ts";
import { convolutionOperation } from "../ffi/operations.ts";
import { firstImplementation, implementations, type PrimitiveDescriptor, reorderDescriptor } from "../ffi/primitive.ts";
import type { Part } from "../planner/candidate.ts";
import type { Program } from "../planner/program.ts";
import { isFaulty, WIDEST_ROW } from "./faulty.ts";
import { type Convolution, type Formulation, roles } from "./formulation.ts";

/** Rows of at least this many pixels fill tiles well enough. */
const LONG_ENOUGH = 32;
/** Rows of at most this many pixels leave half a tile empty. For them, images side by side are usually faster. */
const SHORT = 14;

/** The arrangement of images side by side. */
interface Rows {
  /** Number of images in a row. */
  readonly images: number;
  /** Pixels of zeros after each image. */
  readonly gap: number;
}

/** Formulations of `call` on rows of images; none if they could not be faster. */
export function rowFormulations(program: Program, call: Convolution): readonly Formulation[] {
  const { direction, attributes, src, dst, weights, bias } = call;
  const { library, precision, layout } = program;
  const { strides, padding, groups } = attributes;
  const [batch = 0, , ...image] = program.shape(src);
  const [, , ...result] = program.shape(dst);
  const [, width = 0] = image;
  const keepsSize = image.every((extent, axis) => extent === result[axis]) && strides.every((step) => step === 1);
  const isMeant = direction === "backward weights" && precision === "bf16" && layout === "nhwc" && bias === undefined;
  if (!isMeant || groups > 1 || !keepsSize || padding.left !== padding.right || padding.left === 0) return [];
  const gap = padding.left;
  const images = mostImages(batch, width + gap);
  if (width >= LONG_ENOUGH || images === 1) return [];
  const rows = { images, gap };
  const views = { src: program.shape(src), dst: program.shape(dst) };
  const wide = {
    src: describeMemory(library, wideShape(views.src, rows), "nhwc", "bf16"),
    dst: describeMemory(library, wideShape(views.dst, rows), "nhwc", "bf16"),
  };
  const described = (of: "forward" | "backward weights") =>
    convolutionOperation(
      of,
      "direct",
      {
        ...wide,
        weights: describeMemory(library, program.shape(weights), "any", of === "forward" ? "bf16" : "f32"),
        bias: undefined,
      },
      attributes,
    );
  const hint = firstImplementation(library, described("forward"));
  program.own(hint);
  const plain = (value: string): MemoryDescriptor => describeMemory(library, program.shape(value), "nhwc", "bf16");
  // Zeros between images are never overwritten, because memory of one name always has the same gaps.
  const names = { src: `src, ${images} + ${gap} side by side`, dst: `dst, ${images} + ${gap} side by side` };
  return kernelsFor(program, call, described("backward weights"), hint).map((primitive) => ({
    name: `${images} images side by side, ${primitive.implementation.split(":")[0]}`,
    isLikely: width <= SHORT,
    memory: { src: plain(src), weights: primitive.memory("diffWeights"), bias: undefined, dst: plain(dst) },
    work: {
      [names.src]: { descriptor: wide.src, isShared: true },
      [names.dst]: { descriptor: wide.dst, isShared: true },
    },
    parts: [
      ...(["src", "dst"] as const).map((role) =>
        copyIntoRows(program, views[role], { wide: wide[role], rows, from: role, to: names[role] }),
      ),
      productOf(primitive, names),
    ],
  }));
}

/** Names of the library's AMX kernels. */
function kernelsFor(
  program: Program,
  call: Convolution,
  operation: Operation,
  hint: PrimitiveDescriptor,
): PrimitiveDescriptor[] {
  const { library } = program;
  return [...implementations(library, operation, hint, library.attributes)].filter((primitive) => {
    const isMeant = primitive.implementation.includes("amx") && !isFaulty(program, call, primitive);
    if (!isMeant) primitive.destroy();
    return isMeant;
  });
}

/** The largest number of images that divides the batch and whose rows side by side are not too long. */
function mostImages(batch: number, pitch: number): number {
  let most = 1;
  for (let images = 2; images * pitch <= WIDEST_ROW && images <= batch; images++)
    if (batch % images === 0) most = images;
  return most;
}

function wideShape([batch = 1, channels = 1, height = 1, width = 1]: Shape, { images, gap }: Rows): Shape {
  return [batch / images, channels, height, images * (width + gap)];
}

interface RowCopy {
  readonly wide: MemoryDescriptor;
  readonly rows: Rows;
  /** Roles. */
  readonly from: string;
  readonly to: string;
}

/** The copy of a batch into rows. Both memories are described as [row of images, image, channel, y, x]. */
function copyIntoRows(
  { library }: Program,
  [batch = 1, channels = 1, height = 1, width = 1]: Shape,
  { wide, rows: { images, gap }, from: source, to: target }: RowCopy,
): Part {
  const shape = [batch / images, images, channels, height, width];
  const line = images * (width + gap) * channels;
  const image = height * width * channels;
  const own = describeMemory(library, [batch, channels, height, width], "nhwc", "bf16");
  const from = describeStrided(library, own, shape, [images * image, image, 1, width * channels, channels]);
  const to = describeStrided(library, wide, shape, [height * line, (width + gap) * channels, 1, line, channels]);
  return {
    primitive: required(reorderDescriptor(library, from, to), "copy of images into rows"),
    arguments: [
      { index: argument.src, role: source, piece: { descriptor: from, offset: 0 } },
      { index: argument.dst, role: target, piece: { descriptor: to, offset: 0 } },
    ],
  };
}

function productOf(primitive: PrimitiveDescriptor, names: { readonly src: string; readonly dst: string }): Part {
  const { at } = roles["backward weights"];
  return {
    primitive,
    arguments: [
      { index: at.src, role: names.src },
      { index: at.dst, role: names.dst },
      { index: at.weights, role: "weights" },
    ],
  };
}

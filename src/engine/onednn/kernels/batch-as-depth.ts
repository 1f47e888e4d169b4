/**
 * Computes a convolution of a batch of images as one of a single volume. If all channels fit into one block, N images
 * [C, H, W] have the same memory layout as a volume [C, N, H, W], and a kernel of depth 1 computes the same. The
 * library's kernels for volumes continue from image to image, while those for images start again. They are faster on
 * thin layers.
 */
import type { Shape } from "../../../core/tensor.ts";
import type { Operation } from "../ffi/abi.ts";
import type { OneDnn } from "../ffi/library.ts";
import { describeMemory, type MemoryDescriptor, reshaped } from "../ffi/memory.ts";
import { type ConvolutionDirection, type ConvolutionMemory, convolutionOperation } from "../ffi/operations.ts";
import { implementations, type PrimitiveDescriptor } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import { type Convolution, type Formulation, roles } from "./formulation.ts";

/** For each layout of images: the layout of volumes that is the same in memory. */
const layouts = { nChw16c: "nCdhw16c", nChw8c: "nCdhw8c", nhwc: "ndhwc" } as const;

/** Formulations of `call` on volumes; none if images and volumes differ in memory. */
export function batchAsDepth(program: Program, call: Convolution): readonly Formulation[] {
  const { direction, attributes, src, weights, bias, dst } = call;
  const { library, precision, layout: imageLayout } = program;
  const { blockedLayout } = program.tuner;
  const block = blockedLayout === "nChw16c" ? 16 : 8;
  const isOneBlock = [src, dst].every((value) => program.shape(value)[1] === block);
  if (!isOneBlock || attributes.groups !== 1 || bias !== undefined) return [];
  const [outputs = 0, inputs = 0, ...kernel] = program.shape(weights);
  const weightsType = direction === "backward weights" ? "f32" : precision;
  const layout = layouts[imageLayout];
  const describe = (of: ConvolutionDirection): Operation =>
    convolutionOperation(
      of,
      "direct",
      {
        src: describeMemory(library, volumeOf(program.shape(src)), layout, precision),
        weights: describeMemory(
          library,
          [outputs, inputs, 1, ...kernel],
          "any",
          of === direction ? weightsType : precision,
        ),
        bias: undefined,
        dst: describeMemory(library, volumeOf(program.shape(dst)), layout, precision),
      },
      attributes,
    );
  const hint =
    direction === "forward"
      ? undefined
      : firstOf(implementations(library, describe("forward"), undefined, library.attributes));
  if (hint !== undefined) program.own(hint);
  if (hint === undefined && direction !== "forward") return [];
  const image = (value: string) => describeMemory(library, program.shape(value), imageLayout, precision);
  return ownKernels(library, describe(direction), hint).map((primitive) =>
    formulation(primitive, call, `volume ${layout} ${primitive.implementation}`, {
      src: image(src),
      weights: reshaped(library, primitive.memory(roles[direction].query.weights), program.shape(weights)),
      bias: undefined,
      dst: image(dst),
    }),
  );
}

/** [N, C, H, W] → [1, C, N, H, W]. */
function volumeOf([batch = 1, channels = 1, ...pixels]: Shape): Shape {
  return [1, channels, batch, ...pixels];
}

/** Excludes implementations that first copy the volume into a matrix: they need much memory and are far slower. */
function ownKernels(
  library: OneDnn,
  operation: Operation,
  hint: PrimitiveDescriptor | undefined,
): PrimitiveDescriptor[] {
  return [...implementations(library, operation, hint, library.attributes)].filter((primitive) => {
    const copies = /gemm|ref/.test(primitive.implementation);
    if (copies) primitive.destroy();
    return !copies;
  });
}

function firstOf<T>(values: Iterable<T>): T | undefined {
  for (const value of values) return value;
  return undefined;
}

/** `primitive`, which computes on volumes, as a call on images. Only the call itself uses operands as volumes. */
function formulation(
  primitive: PrimitiveDescriptor,
  { direction }: Convolution,
  name: string,
  memory: ConvolutionMemory,
): Formulation {
  const { at, query } = roles[direction];
  const piece = (descriptor: MemoryDescriptor) => ({ descriptor, offset: 0 });
  return {
    name,
    memory,
    parts: [
      {
        primitive,
        arguments: (["src", "weights", "dst"] as const).map((role) => ({
          index: at[role],
          role,
          piece: piece(primitive.memory(query[role])),
        })),
      },
    ],
  };
}

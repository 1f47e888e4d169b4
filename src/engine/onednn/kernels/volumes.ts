/**
 * A convolution of a batch of images as one of a single volume. Where all channels fit one block, N images [C, H, W]
 * lie in memory as a volume [C, N, H, W] does, and a kernel of depth 1 over it computes the same. The library's kernels
 * for volumes walk on from image to image where those for images start anew, and are faster on thin layers.
 */
import type { Shape } from "../../../core/tensor.ts";
import type { Operation } from "../ffi/abi.ts";
import type { OneDnn } from "../ffi/library.ts";
import { describeMemory, type MemoryDescriptor, reshaped } from "../ffi/memory.ts";
import { type ConvolutionDirection, type ConvolutionMemory, convolutionOperation } from "../ffi/operations.ts";
import { implementations, type PrimitiveDescriptor } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import { type Convolution, type Formulation, roles } from "./formulation.ts";

/** By the layout of the images, that of the volume which is the same memory. */
const layouts = { nChw16c: "nCdhw16c", nChw8c: "nCdhw8c", nhwc: "ndhwc" } as const;

/** Formulations of `call` on volumes; none where images and volumes lie differently. */
export function volumeFormulations(program: Program, call: Convolution): readonly Formulation[] {
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

/** Without those that copy the volume into a matrix first: they need much memory and are many times slower. */
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

/** What `primitive` computes on volumes, told of images: each operand is seen as a volume only by the call itself. */
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

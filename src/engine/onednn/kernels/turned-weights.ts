/**
 * Computes the gradient of a convolution's images as a forward convolution of the result's gradient, with every kernel
 * rotated by 180° and input and output channels swapped. On thin layers, the library's forward kernels are faster.
 * Rotating a kernel takes one copy for each tap.
 */
import type { Shape } from "../../../core/tensor.ts";
import type { Padding } from "../../../graph/attributes.ts";
import { argument } from "../ffi/constants.ts";
import { bytesOf, describeMemory, describePart, describeStrided, type MemoryDescriptor } from "../ffi/memory.ts";
import { convolutionOperation } from "../ffi/operations.ts";
import { firstImplementation, reorderDescriptor } from "../ffi/primitive.ts";
import type { Part } from "../planner/candidate.ts";
import type { Program } from "../planner/program.ts";
import { type Convolution, type Formulation, roles } from "./formulation.ts";

const TURNED = "weights, turned";
/** With more taps, the copies take more time than they save. */
const MOST_TAPS = 25;

/** Formulations of `call` with rotated weights; none if `call` has no such form, or they could not be faster. */
export function turnedFormulations(program: Program, call: Convolution): readonly Formulation[] {
  const { direction, attributes, src, dst, weights } = call;
  const { library, precision, layout } = program;
  const [outputs = 0, inputs = 0, height = 0, width = 0] = program.shape(weights);
  const padding = paddingOfGradient(call, height, width);
  const steps = attributes.strides.some((step) => step !== 1);
  const isMeant = direction === "backward data" && precision === "bf16" && layout === "nhwc";
  const taps = height * width;
  if (!isMeant || steps || attributes.groups > 1 || padding === undefined || taps === 1 || taps > MOST_TAPS) return [];
  const turned: Shape = [inputs, outputs, height, width];
  const memory = {
    src: describeMemory(library, program.shape(src), "nhwc", precision),
    dst: describeMemory(library, program.shape(dst), "nhwc", precision),
  };
  const operation = convolutionOperation(
    "forward",
    "direct",
    {
      src: memory.dst,
      weights: describeMemory(library, turned, "any", precision),
      bias: undefined,
      dst: memory.src,
    },
    { ...attributes, padding },
  );
  const primitive = firstImplementation(library, operation);
  // The library's other forward kernels are slower than its own gradient.
  const copies = primitive.implementation.includes("amx")
    ? copiesOfTaps(program, primitive.memory("weights"))
    : undefined;
  if (copies === undefined) {
    primitive.destroy();
    return [];
  }
  const { at } = roles.forward;
  const gradient: Part = {
    primitive,
    arguments: [
      { index: at.src, role: "dst" },
      { index: at.weights, role: TURNED },
      { index: at.dst, role: "src" },
    ],
  };
  return [
    {
      name: "forward, with turned weights",
      memory: { ...memory, weights: copies.from, bias: undefined },
      work: { [TURNED]: { descriptor: primitive.memory("weights"), isShared: false } },
      parts: [...copies.parts, gradient],
    },
  ];
}

/** Padding around the result's gradient; undefined if a part of the gradient would have to be cropped. */
function paddingOfGradient({ attributes }: Convolution, height: number, width: number): Padding | undefined {
  const { padding, dilation } = attributes;
  const reach = [dilation[0] * (height - 1), dilation[1] * (width - 1)] as const;
  const turned = {
    top: reach[0] - padding.top,
    bottom: reach[0] - padding.bottom,
    left: reach[1] - padding.left,
    right: reach[1] - padding.right,
  };
  return Object.values(turned).every((pad) => pad >= 0) ? turned : undefined;
}

/** One copy for each tap, from weights with the taps outermost into `wanted` in reverse order of taps. */
function copiesOfTaps(
  { library }: Program,
  wanted: MemoryDescriptor,
): { readonly from: MemoryDescriptor; readonly parts: readonly Part[] } | undefined {
  const [inputs = 1, outputs = 1, height = 1, width = 1] = wanted.shape;
  const { type } = wanted;
  const matrix = inputs * outputs;
  const plain = describeMemory(library, [outputs, inputs, height, width], "plain", type);
  const from = describeStrided(library, plain, plain.shape, [inputs, 1, width * matrix, matrix]);
  const tap = describeStrided(library, plain, [inputs, outputs, 1, 1], [1, inputs, 1, 1]);
  const parts: Part[] = [];
  for (let index = 0; index < height * width; index++) {
    const last = height * width - 1 - index;
    const place = describePart(
      library,
      wanted,
      [inputs, outputs, 1, 1],
      [0, 0, Math.floor(last / width), last % width],
      [1, 1, 1, 1],
    );
    const primitive = place === undefined ? undefined : reorderDescriptor(library, tap, place.descriptor);
    if (place === undefined || primitive === undefined) {
      for (const part of parts) part.primitive.destroy();
      return undefined;
    }
    parts.push({
      primitive,
      arguments: [
        { index: argument.src, role: "weights", piece: { descriptor: tap, offset: index * matrix * bytesOf(type) } },
        { index: argument.dst, role: TURNED, piece: place },
      ],
    });
  }
  return { from, parts };
}

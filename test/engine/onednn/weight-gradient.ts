/** The gradient of a convolution's weights in bf16, by one implementation of the library. */
import type { Shape } from "../../../src/core/tensor.ts";
import { argument } from "../../../src/engine/onednn/ffi/constants.ts";
import type { OneDnn } from "../../../src/engine/onednn/ffi/library.ts";
import { describeMemory } from "../../../src/engine/onednn/ffi/memory.ts";
import { type ConvolutionDirection, convolutionOperation } from "../../../src/engine/onednn/ffi/operations.ts";
import { firstImplementation, implementations } from "../../../src/engine/onednn/ffi/primitive.ts";
import { KernelTiming } from "../../../src/engine/onednn/planner/kernel-timing.ts";

/** Numbers before and behind the weights that have to stay zero in `spilledNumbers`. */
const GUARD = 1024;

/** Of a kernel of 3 x 3 that keeps the size of images: as many outputs as inputs. */
export function weightGradient(library: OneDnn, shape: Shape, dilation: number, wanted: RegExp): Float32Array {
  return gradient(library, shape, dilation, wanted, 0);
}

/** How many numbers beside its result the implementation writes. */
export function spilledNumbers(library: OneDnn, shape: Shape, wanted: RegExp): number {
  const numbers = gradient(library, shape, 1, wanted, GUARD);
  const guards = [...numbers.subarray(0, GUARD), ...numbers.subarray(numbers.length - GUARD)];
  return guards.filter((number) => number !== 0).length;
}

/** The gradient, with `guard` numbers before and behind it. */
function gradient(library: OneDnn, shape: Shape, dilation: number, wanted: RegExp, guard: number): Float32Array {
  const [, channels = 0] = shape;
  const image = describeMemory(library, shape, "nhwc", "bf16");
  const attributes = {
    strides: [1, 1],
    padding: { top: dilation, left: dilation, bottom: dilation, right: dilation },
    dilation: [dilation, dilation],
    groups: 1,
  } as const;
  const operation = (direction: ConvolutionDirection) => {
    const type = direction === "forward" ? "bf16" : "f32";
    const weights = describeMemory(library, [channels, channels, 3, 3], "any", type);
    return convolutionOperation(direction, "direct", { src: image, weights, bias: undefined, dst: image }, attributes);
  };
  const hint = firstImplementation(library, operation("forward"));
  const offered = [...implementations(library, operation("backward weights"), hint, library.attributes)];
  const primitive = offered.find(({ implementation }) => wanted.test(implementation));
  if (primitive === undefined) throw new Error(`oneDNN has no ${wanted} for ${shape}`);
  const weights = primitive.memory("diffWeights");
  const own = { descriptor: weights, offset: guard * Float32Array.BYTES_PER_ELEMENT };
  const guarded = describeMemory(library, [2 * guard + weights.bytes / Float32Array.BYTES_PER_ELEMENT], "plain");
  const timing = new KernelTiming(library, {
    name: primitive.implementation,
    parts: [
      {
        primitive,
        arguments: [
          { index: argument.src, role: "src" },
          { index: argument.diffDst, role: "dst" },
          { index: argument.diffWeights, role: "weights", piece: own },
        ],
      },
    ],
    operands: {
      src: { descriptor: image },
      dst: { descriptor: image },
      weights: { descriptor: guard === 0 ? weights : guarded },
    },
    inputs: ["src", "dst"],
    output: "weights",
    reorders: [],
  });
  timing.warmUp();
  const result = timing.result();
  timing.free();
  for (const one of [hint, ...offered]) one.destroy();
  return result;
}

/** What each bf16 implementation of the library makes of a convolution of one pixel, on images with channels last. */
import { elementCount, type Shape } from "../../../src/core/tensor.ts";
import { argument } from "../../../src/engine/onednn/ffi/constants.ts";
import { copyMemory } from "../../../src/engine/onednn/ffi/copy.ts";
import type { OneDnn } from "../../../src/engine/onednn/ffi/library.ts";
import {
  createMemory,
  describeMemory,
  type MemoryDescriptor,
  NativeMemory,
} from "../../../src/engine/onednn/ffi/memory.ts";
import { convolutionOperation } from "../../../src/engine/onednn/ffi/operations.ts";
import { BoundPrimitive, implementations } from "../../../src/engine/onednn/ffi/primitive.ts";

/** Whole numbers are exact in bf16, and so are their sums here. */
function wholeNumbers(count: number, start: number): Float32Array {
  return Float32Array.from({ length: count }, (_, index) => (((index + start) * 7) % 5) - 2);
}

/** By implementation: whether its `outputs` channels are the sums of products that they should be. */
export function pointwiseResults(
  library: OneDnn,
  shape: Shape,
  outputs: number,
): readonly (readonly [name: string, isRight: boolean])[] {
  const [batch = 1, channels = 1, ...pixels] = shape;
  const [result, kernels] = [
    [batch, outputs, ...pixels],
    [outputs, channels, 1, 1],
  ];
  const operation = convolutionOperation(
    "forward",
    "direct",
    {
      src: describeMemory(library, shape, "nhwc", "bf16"),
      weights: describeMemory(library, kernels, "any", "bf16"),
      bias: undefined,
      dst: describeMemory(library, result, "nhwc", "bf16"),
    },
    { strides: [1, 1], padding: { top: 0, left: 0, bottom: 0, right: 0 }, dilation: [1, 1], groups: 1 },
  );
  const src = wholeNumbers(elementCount(shape), 0);
  const weights = wholeNumbers(elementCount(kernels), 3);
  const size = elementCount(pixels);
  const expected = Float32Array.from({ length: elementCount(result) }, (_, index) => {
    const [plane, pixel] = [Math.floor(index / size), index % size];
    const [image, output] = [Math.floor(plane / outputs), plane % outputs];
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) {
      sum += (src[(image * channels + channel) * size + pixel] ?? 0) * (weights[output * channels + channel] ?? 0);
    }
    return sum;
  });
  return [...implementations(library, operation, undefined, library.attributes)].map((primitive) => {
    const memories: NativeMemory[] = [];
    const memory = (descriptor: MemoryDescriptor): NativeMemory => {
      const made = new NativeMemory(library, descriptor.bytes);
      memories.push(made);
      return made;
    };
    const filled = (descriptor: MemoryDescriptor, dims: Shape, values: Float32Array): NativeMemory => {
      const [plain, made] = [describeMemory(library, dims, "plain"), memory(descriptor)];
      const rows = memory(plain);
      rows.floats(0, values.length).set(values);
      copyMemory(library, { descriptor: plain, memory: rows }, { descriptor, memory: made });
      return made;
    };
    const [own, by, dst] = [primitive.memory("src"), primitive.memory("weights"), primitive.memory("dst")];
    const [read, weighed, made] = [filled(own, shape, src), filled(by, kernels, weights), memory(dst)];
    const scratchpad = primitive.memory("scratchpad");
    const bound = new BoundPrimitive(library, primitive, [
      [argument.src, createMemory(library, own, read.address)],
      [argument.weights, createMemory(library, by, weighed.address)],
      [argument.dst, createMemory(library, dst, made.address)],
      [argument.scratchpad, createMemory(library, scratchpad, memory(scratchpad).address)],
    ]);
    bound.run();
    const plain = describeMemory(library, result, "plain");
    const found = memory(plain);
    copyMemory(library, { descriptor: dst, memory: made }, { descriptor: plain, memory: found });
    const isRight = found.floats(0, expected.length).every((value, index) => value === expected[index]);
    const name = primitive.implementation;
    bound.destroy();
    primitive.destroy();
    for (const one of memories) one.free();
    return [name, isRight] as const;
  });
}

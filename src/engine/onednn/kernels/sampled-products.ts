/**
 * Strided 1 × 1 convolutions. The sampled pixels are copied into contiguous memory, where the convolution is one matrix
 * product. A gradient is copied back to those pixels, and is zero at all others.
 */
import { required } from "../../../core/errors.ts";
import { argument } from "../ffi/constants.ts";
import { describeMemory, describeStrided, type MemoryDescriptor } from "../ffi/memory.ts";
import { reorderDescriptor } from "../ffi/primitive.ts";
import type { Part } from "../planner/candidate.ts";
import type { Program } from "../planner/program.ts";
import type { Convolution, Formulation } from "./formulation.ts";
import { smallImageMatmul } from "./small-image-matmul.ts";

const SAMPLED = "pixels that are met";

/** Formulations of `call`; none if it reads every pixel, or if they could not be faster. */
export function sampledProducts(program: Program, call: Convolution): readonly Formulation[] {
  const { direction, attributes } = call;
  const { library, precision } = program;
  const [batch = 0, channels = 0, height = 0, width = 0] = program.shape(call.src);
  const [, , rows = 0, columns = 0] = program.shape(call.dst);
  const [down, right] = attributes.strides;
  // The library accepts strides only if they do not reach past the outer axis, even after the last pixel.
  const canSample = rows * down <= height && columns * right <= width;
  const [, , ...kernel] = program.shape(call.weights);
  if (down * right === 1 || !canSample || kernel.some((extent) => extent !== 1)) return [];
  const shape = [batch, channels, rows, columns];
  const whole = describeMemory(library, program.shape(call.src), "nhwc", precision);
  const met = describeStrided(library, whole, shape, [
    height * width * channels,
    1,
    down * width * channels,
    right * channels,
  ]);
  const sampled = describeMemory(library, shape, "nhwc", precision);
  const copy = (from: MemoryDescriptor, to: MemoryDescriptor): Part => ({
    primitive: required(reorderDescriptor(library, from, to), "copy of the sampled pixels"),
    arguments: [
      { index: argument.src, role: from === met ? "src" : SAMPLED, piece: { descriptor: from, offset: 0 } },
      { index: argument.dst, role: to === met ? "src" : SAMPLED, piece: { descriptor: to, offset: 0 } },
    ],
  });
  const every = { ...call, attributes: { ...attributes, strides: [1, 1] as const } };
  return smallImageMatmul(program, every, shape).map((formulation) => {
    const parts = formulation.parts.map((part) => ({
      ...part,
      arguments: part.arguments.map((one) => (one.role === "src" ? { ...one, role: SAMPLED } : one)),
    }));
    return {
      ...formulation,
      name: `${SAMPLED}, ${formulation.name}`,
      memory: { ...formulation.memory, src: whole },
      work: { [SAMPLED]: { descriptor: sampled, isShared: true } },
      ...(direction === "backward data"
        ? { parts: [...parts, copy(sampled, met)], writesPart: true }
        : { parts: [copy(met, sampled), ...parts] }),
    };
  });
}

/**
 * A convolution's mirror image: y = W ∗ x with stride 1 is also the gradient with respect to the input of the convolution
 * whose kernel is W turned by 180° with inputs and outputs exchanged, and the library's kernels for that direction are
 * others. The padding is what the kernel reaches beyond the first one.
 */
import { elementCount, type Shape } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import type { ConvolutionAttributes, Padding } from "../../../graph/ops.ts";
import type { MemoryDescriptor } from "../ffi/memory.ts";
import { describeMemory } from "../ffi/memory.ts";
import { floatsOf, type Program, type View } from "../planner/program.ts";

/** Padding of the mirror image; undefined where a convolution has none. `weights`: [out, in, height, width]. */
export function mirroredPadding(
  { strides, padding, dilation, groups }: ConvolutionAttributes,
  [, , height = 1, width = 1]: Shape,
): Padding | undefined {
  if (groups !== 1 || strides.some((stride) => stride !== 1)) return undefined;
  const rows = dilation[0] * (height - 1);
  const columns = dilation[1] * (width - 1);
  const mirrored = {
    top: rows - padding.top,
    left: columns - padding.left,
    bottom: rows - padding.bottom,
    right: columns - padding.right,
  };
  return Object.values(mirrored).every((size) => size >= 0) ? mirrored : undefined;
}

/** [out, in, height, width] → [in, out, height, width], turned by 180°; row-major. */
export function mirror(
  weights: Float32Array,
  [outputs = 0, inputs = 0, height = 1, width = 1]: Shape,
  into: Float32Array = new Float32Array(weights.length),
): Float32Array {
  const taps = height * width;
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      const from = (output * inputs + input) * taps;
      const to = (input * outputs + output) * taps + taps - 1;
      for (let tap = 0; tap < taps; tap++) into[to - tap] = weights[from + tap] ?? 0;
    }
  }
  return into;
}

/** Emits the steps that mirror `weights`, and gives the view of the result in layout `wanted`. */
export function emitMirror(
  program: Program,
  node: Node<"convolution">,
  weights: string,
  wanted: MemoryDescriptor,
): View {
  const shape = program.shape(weights);
  const source = program.use(weights, program.plain(weights));
  const mirrored = program.allocate(describeMemory(program.library, wanted.shape, "plain"));
  program.emitHost(node, "mirrored kernel", [source], [mirrored], (placement) => {
    const from = floatsOf(source, placement).subarray(0, elementCount(shape));
    const into = floatsOf(mirrored, placement);
    return () => {
      mirror(from, shape, into);
    };
  });
  const target = program.allocate(wanted);
  program.reorder(weights, mirrored, target);
  return target;
}

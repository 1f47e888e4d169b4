/**
 * Measures the machine's peaks with oneDNN itself: matrix multiplication, and memory bandwidth. They are the two lines
 * of the roofline model (Williams, Waterman and Patterson, "Roofline", Communications of the ACM, 2009).
 */

import { required } from "../../src/core/errors.ts";
import type { Precision } from "../../src/engine/engine.ts";
import { argument } from "../../src/engine/onednn/ffi/constants.ts";
import { binaryOperation } from "../../src/engine/onednn/ffi/elementwise-operations.ts";
import type { OneDnn } from "../../src/engine/onednn/ffi/library.ts";
import {
  createMemory,
  describeMemory,
  type MemoryDescriptor,
  NativeMemory,
} from "../../src/engine/onednn/ffi/memory.ts";
import { matrixProduct } from "../../src/engine/onednn/ffi/operations.ts";
import {
  BoundPrimitive,
  firstImplementation,
  implementations,
  type PrimitiveDescriptor,
  reorderDescriptor,
} from "../../src/engine/onednn/ffi/primitive.ts";

export interface ProductPeak {
  /** 10⁹ multiplications and additions per second. */
  readonly gigaflops: number;
  /** Size of the square matrices that reached this peak. */
  readonly size: number;
  readonly implementation: string;
}

export interface Bandwidth {
  /** Bytes that are read and written by one operation. */
  readonly bytes: number;
  /** 10⁹ bytes per second, reads and writes together. */
  readonly gigabytesPerSecond: number;
  readonly kind: "copy" | "triad";
}

const PRODUCT_SIZES = [512, 1024, 2048, 4096] as const;
/** Sizes from data that fits into a core's cache to data that fits into no cache. */
const BANDWIDTH_MEGABYTES = [1, 4, 16, 64, 256, 1024] as const;
/** Each measurement is repeated for this long, and the fastest repetition counts. */
const MILLISECONDS = 400;

/** The fastest product of square matrices in `precision`, of all sizes and implementations. The caller sets threads. */
export function productPeak(library: OneDnn, precision: Precision): ProductPeak {
  let best: ProductPeak = { gigaflops: 0, size: 0, implementation: "" };
  for (const size of PRODUCT_SIZES) {
    const plain = describeMemory(library, [size, size], "plain", precision);
    const any = describeMemory(library, [size, size], "any", precision);
    const operation = matrixProduct(plain, any, plain);
    for (const candidate of implementations(library, operation, undefined, library.attributes)) {
      const { implementation } = candidate;
      if (!implementation.startsWith("ref")) {
        const milliseconds = fastest(library, candidate, [
          [argument.src, candidate.memory("src")],
          [argument.weights, candidate.memory("weights")],
          [argument.dst, candidate.memory("dst")],
        ]);
        const gigaflops = (2 * size ** 3) / (1e6 * milliseconds);
        if (gigaflops > best.gigaflops) best = { gigaflops, size, implementation };
      }
      candidate.destroy();
    }
  }
  return best;
}

/** For each size of data, the faster of a copy and a = b + s·c. The caller sets the number of threads. */
export function bandwidths(library: OneDnn): readonly Bandwidth[] {
  return BANDWIDTH_MEGABYTES.map((megabytes) => {
    const bytes = megabytes * 2 ** 20;
    const part = (count: number): MemoryDescriptor =>
      describeMemory(library, [Math.floor(bytes / count / 4 / 64) * 64], "plain");
    const [half, third] = [part(2), part(3)];
    const copy = required(reorderDescriptor(library, half, half), "a copy");
    const triad = firstImplementation(library, binaryOperation("add", third, third, third));
    const copyTime = fastest(library, copy, [
      [argument.src, half],
      [argument.dst, half],
    ]);
    const triadTime = fastest(library, triad, [
      [argument.src, third],
      [argument.src1, third],
      [argument.dst, third],
    ]);
    copy.destroy();
    triad.destroy();
    const copied = (2 * half.bytes) / (1e6 * copyTime);
    const summed = (3 * third.bytes) / (1e6 * triadTime);
    return { bytes, gigabytesPerSecond: Math.max(copied, summed), kind: copied > summed ? "copy" : "triad" };
  });
}

/** Milliseconds of the fastest run of `primitive` on newly allocated memory. */
function fastest(
  library: OneDnn,
  primitive: PrimitiveDescriptor,
  operands: readonly (readonly [index: number, descriptor: MemoryDescriptor])[],
): number {
  const scratchpad = primitive.memory("scratchpad");
  const memories = [...operands, [argument.scratchpad, scratchpad] as const].map(
    ([index, descriptor]) => [index, descriptor, new NativeMemory(library, descriptor.bytes)] as const,
  );
  const bound = new BoundPrimitive(
    library,
    primitive,
    memories.map(([index, descriptor, { address }]) => [index, createMemory(library, descriptor, address)] as const),
  );
  bound.run();
  let least = Number.POSITIVE_INFINITY;
  const end = performance.now() + MILLISECONDS;
  for (let start = performance.now(); start < end; ) {
    bound.run();
    const now = performance.now();
    least = Math.min(least, now - start);
    start = now;
  }
  bound.destroy();
  for (const [, , memory] of memories) memory.free();
  return least;
}

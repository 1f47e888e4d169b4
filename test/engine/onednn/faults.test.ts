/**
 * Faults of the library that the kernels work around, shown on the library itself: a workaround is on where its fault
 * is. Run with oneDNN 2 and 3.
 */
import { resolve } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { elementCount, type Shape } from "../../../src/core/tensor.ts";
import { type PostOp, withAttributes } from "../../../src/engine/onednn/ffi/attributes.ts";
import { argument, isaAmx, isaAvx512Core, isaAvx512CoreBf16 } from "../../../src/engine/onednn/ffi/constants.ts";
import { copyMemory } from "../../../src/engine/onednn/ffi/copy.ts";
import { binaryOperation } from "../../../src/engine/onednn/ffi/elementwise-operations.ts";
import { faultsOf } from "../../../src/engine/onednn/ffi/faults.ts";
import { oneDnn } from "../../../src/engine/onednn/ffi/library.ts";
import {
  createMemory,
  describeMemory,
  describeStrided,
  type LayoutName,
  NativeMemory,
} from "../../../src/engine/onednn/ffi/memory.ts";
import {
  BoundPrimitive,
  firstImplementation,
  PrimitiveDescriptor,
  reorderDescriptor,
} from "../../../src/engine/onednn/ffi/primitive.ts";
import { relativeDifference } from "../random-data.ts";
import { pointwiseResults } from "./pointwise-results.ts";
import { spilledNumbers, weightGradient } from "./weight-gradient.ts";

const library = oneDnn();
const faults = faultsOf(library);
const hasAmx = (library.instructionSet & isaAmx) === isaAmx;
const hasBf16 = (library.instructionSet & isaAvx512CoreBf16) === isaAvx512CoreBf16;
const hasWideVectors = (library.instructionSet & isaAvx512Core) === isaAvx512Core;

/** Numbers of both signs, no two neighbours alike. */
function numbers(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, index) => ((index * 37) % 23) / 11 - 1);
}

/** x + x with `postOps` behind it, by the library's first choice, in its memory or another. */
function doubled(shape: Shape, layout: LayoutName, postOps: readonly PostOp[], inPlace: boolean): Float32Array {
  const descriptor = describeMemory(library, shape, layout);
  const plain = describeMemory(library, shape, "plain");
  const [rowMajor, src, other, dst] = [plain, descriptor, descriptor, descriptor].map(
    ({ bytes }) => new NativeMemory(library, bytes),
  ) as [NativeMemory, NativeMemory, NativeMemory, NativeMemory];
  const values = rowMajor.floats(0, elementCount(shape));
  values.set(numbers(values.length));
  for (const memory of [src, other])
    copyMemory(library, { descriptor: plain, memory: rowMajor }, { descriptor, memory });
  const result = inPlace ? src : dst;
  const primitive = withAttributes(library, { postOps }, (attributes) =>
    firstImplementation(library, binaryOperation("add", descriptor, descriptor, descriptor), undefined, attributes),
  );
  const scratchpad = primitive.memory("scratchpad");
  const scratch = new NativeMemory(library, scratchpad.bytes);
  const bound = new BoundPrimitive(library, primitive, [
    [argument.src, createMemory(library, descriptor, src.address)],
    [argument.src1, createMemory(library, descriptor, other.address)],
    [argument.dst, createMemory(library, descriptor, result.address)],
    [argument.scratchpad, createMemory(library, scratchpad, scratch.address)],
  ]);
  bound.run();
  copyMemory(library, { descriptor, memory: result }, { descriptor: plain, memory: rowMajor });
  const found = values.slice();
  bound.destroy();
  primitive.destroy();
  for (const memory of [rowMajor, src, other, dst, scratch]) memory.free();
  return found;
}

/** Whether `found` is not what `formula` makes of each number. */
function isWrong(found: Float32Array, formula: (x: number) => number): boolean {
  const expected = numbers(found.length).map(formula);
  return found.some((value, index) => !(Math.abs(value - (expected[index] ?? 0)) < 1e-5));
}

describe(`faults of oneDNN ${library.version}`, () => {
  it.skipIf(!hasWideVectors)("a ReLU behind a sum on blocks of 8 channels, with vectors of 16", () => {
    const found = doubled([2, 24, 5, 7], "nChw8c", [{ kind: "relu" }], false);
    expect(isWrong(found, (x) => Math.max(0, 2 * x))).toBe(faults.reluBehindSumOfBlocksOf8);
  });

  it("a sum with a post-op in place of a source with padded channels", () => {
    const found = doubled([2, 20, 5, 7], hasWideVectors ? "nChw16c" : "nChw8c", [{ kind: "scale", factor: 3 }], true);
    expect(isWrong(found, (x) => 6 * x)).toBe(faults.sumInPlaceOfPaddedChannels);
  });

  it("two factors in one chain of post-ops", () => {
    const chain: readonly PostOp[] = [
      { kind: "scale", factor: 3 },
      { kind: "scale", factor: -0.5 },
    ];
    const found = doubled([2, 32, 5, 7], hasWideVectors ? "nChw16c" : "nChw8c", chain, false);
    expect(isWrong(found, (x) => -3 * x)).toBe(faults.twoFactorsInAChain);
  });

  it("a copy between memories with the same gaps", () => {
    // Three channels of sixteen, which lie behind one another in memory.
    const [shape, strides] = [
      [1, 3, 2, 2],
      [64, 1, 32, 16],
    ] as const;
    const whole = describeMemory(library, [1, 16, 2, 2], "nhwc");
    const part = describeStrided(library, whole, shape, strides);
    const [src, dst] = [new NativeMemory(library, whole.bytes), new NativeMemory(library, whole.bytes)];
    src.floats(0, 64).set(numbers(64));
    const out = new BigUint64Array(1);
    const { calls, engine, attributes } = library;
    expect(calls.reorderCreate(out, part.native, engine, part.native, engine, attributes)).toBe(0);
    const primitive = new PrimitiveDescriptor(library, out[0] ?? 0n);
    const scratchpad = primitive.memory("scratchpad");
    const scratch = new NativeMemory(library, scratchpad.bytes);
    const bound = new BoundPrimitive(library, primitive, [
      [argument.src, createMemory(library, part, src.address)],
      [argument.dst, createMemory(library, part, dst.address)],
      [argument.scratchpad, createMemory(library, scratchpad, scratch.address)],
    ]);
    bound.run();
    const expected = numbers(64).map((value, index) => (index % 16 < 3 ? value : 0));
    expect(dst.floats(0, 64).some((value, index) => value !== expected[index])).toBe(faults.copyBetweenEqualGaps);
    expect(reorderDescriptor(library, part, part) === undefined).toBe(faults.copyBetweenEqualGaps);
    bound.destroy();
    primitive.destroy();
    for (const memory of [src, dst, scratch]) memory.free();
  });

  it.skipIf(!hasAmx)("gradients of weights of wide rows end the process", async () => {
    const script = resolve("test/engine/onednn/wide-rows-child.ts");
    const { stdout, failed } = await execa(process.execPath, ["--import", "tsx", script], { reject: false });
    expect(failed).toBe(faults.weightGradientsOfWideRows);
    expect(stdout === "done").toBe(!faults.weightGradientsOfWideRows);
  });

  it.skipIf(!hasAmx)("gradients of weights of rows of 232 pixels write beside their result, of 224 do not", () => {
    const spilled = (width: number): boolean => spilledNumbers(library, [2, 32, 12, width], /^jit:.*amx/) > 0;
    expect(spilled(232)).toBe(faults.weightGradientsOfWideRows);
    expect(spilled(224)).toBe(false);
  });

  it("the test for numbers beside a result finds none of the other kernels'", () => {
    expect(spilledNumbers(library, [2, 32, 12, 232], /^(?!.*amx)/)).toBe(0);
  });

  it.skipIf(!hasAmx)("gradients of dilated kernels' weights, of more than 32 inputs, no multiple of 16", () => {
    const difference = (channels: number, wanted: RegExp): number => {
      const expected = weightGradient(library, [2, channels, 9, 10], 2, /^jit_bf16/);
      return relativeDifference(weightGradient(library, [2, channels, 9, 10], 2, wanted), expected);
    };
    expect(difference(40, /^jit:.*amx/) > 0.1).toBe(faults.weightGradientsOfDilatedRests);
    expect(difference(48, /^jit:.*amx/)).toBeLessThan(1e-4);
  });

  it.skipIf(library.abi.major !== 2 || !hasBf16)("bf16 kernels of one pixel over odd channels that are last", () => {
    const names = (channels: number): readonly (readonly [name: string, isRight: boolean])[] =>
      pointwiseResults(library, [2, channels, 5, 6], 16);
    const isHit = (name: string): boolean => name.includes("jit_bf16_1x1");
    const [odd, even] = [names(5), names(6)];
    expect(odd.filter(([name]) => isHit(name)).map(([, isRight]) => isRight)).not.toContain(faults.oddChannelsLast);
    for (const [name, isRight] of even) expect(isRight, name).toBe(true);
  });

  it("the way around each is right everywhere", () => {
    expect(isWrong(doubled([2, 24, 5, 7], "nhwc", [{ kind: "relu" }], false), (x) => Math.max(0, 2 * x))).toBe(false);
    expect(isWrong(doubled([2, 20, 5, 7], "nhwc", [{ kind: "scale", factor: 3 }], true), (x) => 6 * x)).toBe(false);
  });
});

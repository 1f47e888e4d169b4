import { describe, expect, it } from "vitest";
import type { Shape } from "../../../src/core/tensor.ts";
import type { Block } from "../../../src/engine/onednn/ffi/abi.ts";
import { argumentName } from "../../../src/engine/onednn/ffi/constants.ts";
import { oneDnn } from "../../../src/engine/onednn/ffi/library.ts";
import {
  describeMemory,
  describePart,
  describeStrided,
  type MemoryDescriptor,
} from "../../../src/engine/onednn/ffi/memory.ts";
import { layoutName, reachedBytes } from "../../../src/engine/onednn/planner/layout-name.ts";

const library = oneDnn();

/** Weights of `shape` whose axes lie in `order`, the slowest first, and inside of which `blocks` of axes lie. */
function blocked(shape: Shape, order: readonly number[], blocks: readonly Block[]): MemoryDescriptor {
  const plain = describeMemory(library, shape, "plain");
  const sizes = shape.map((extent, axis) =>
    blocks.reduce((left, block) => (block.axis === axis ? left / block.size : left), extent),
  );
  const strides = shape.map(() => 0);
  let next = blocks.reduce((product, { size }) => product * size, 1);
  for (const axis of order.toReversed()) {
    strides[axis] = next;
    next *= sizes[axis] ?? 1;
  }
  return { ...plain, layout: { ...plain.layout, strides, blocks } };
}

describe("the name of a layout", () => {
  it.each([
    ["nchw", "plain"],
    ["nhwc", "nhwc"],
    ["nChw8c", "nChw8c"],
    ["nChw16c", "nChw16c"],
  ] as const)("%s", (name, layout) => {
    for (const shape of [
      [2, 32, 5, 7],
      [2, 3, 5, 7],
      [1, 32, 5, 7],
    ]) {
      expect(layoutName(describeMemory(library, shape, layout), "images")).toBe(name);
    }
  });

  it("of weights has their axes", () => {
    expect(layoutName(describeMemory(library, [8, 4, 3, 3], "plain"), "weights")).toBe("oihw");
    expect(layoutName(describeMemory(library, [2, 8, 4, 3, 3], "plain"), "weights")).toBe("goihw");
    expect(layoutName(describeMemory(library, [2, 8, 1, 3, 3], "plain"), "weights of volumes")).toBe("oidhw");
    expect(layoutName(describeMemory(library, [8, 4], "plain"), "weights")).toBe("oi");
  });

  it.each<[string, Shape, readonly number[], readonly (readonly [axis: number, size: number])[]]>([
    [
      "OIhw16i16o",
      [32, 16, 3, 3],
      [0, 1, 2, 3],
      [
        [1, 16],
        [0, 16],
      ],
    ],
    [
      "OIhw8i8o",
      [32, 16, 3, 3],
      [0, 1, 2, 3],
      [
        [1, 8],
        [0, 8],
      ],
    ],
    [
      "gOIhw16i16o",
      [2, 32, 16, 3, 3],
      [0, 1, 2, 3, 4],
      [
        [2, 16],
        [1, 16],
      ],
    ],
    ["Ohwi16o", [32, 3, 3, 3], [0, 2, 3, 1], [[0, 16]]],
  ])("%s", (name, shape, order, blocks) => {
    const made = blocks.map(([axis, size]) => ({ axis, size }));
    expect(layoutName(blocked(shape, order, made), "weights")).toBe(name);
  });

  it("of vectors and matrices", () => {
    expect(layoutName(describeMemory(library, [8], "plain"), "images")).toBe("x");
    expect(layoutName(describeMemory(library, [], "plain"), "images")).toBe("x");
    expect(layoutName(describeMemory(library, [8, 4], "plain"), "images")).toBe("nc");
  });

  it("of a part is that of the whole", () => {
    const whole = describeMemory(library, [2, 32, 8, 8], "nChw16c");
    const part = describePart(library, whole, [2, 16, 4, 4], [0, 16, 0, 0], [1, 1, 1, 1]);
    expect(part && layoutName(part.descriptor, "images")).toBe("nChw16c");
  });

  it("is opaque where the library has not decided", () => {
    expect(layoutName(describeMemory(library, [2, 32, 8, 8], "any"), "images")).toBe("opaque");
  });
});

describe("the bytes a step moves", () => {
  it("have the padding of blocks in them", () => {
    expect(reachedBytes(describeMemory(library, [2, 3, 5, 5], "nChw16c"))).toBe(2 * 16 * 25 * 4);
    expect(reachedBytes(describeMemory(library, [2, 3, 5, 5], "plain", "bf16"))).toBe(2 * 3 * 25 * 2);
  });

  it("are a part's where only a part is read", () => {
    const whole = describeMemory(library, [2, 32, 8, 8], "nChw16c");
    const part = describeStrided(library, whole, [2, 4, 8, 8], [2048, 1, 128, 16]);
    expect(reachedBytes(part)).toBe(2 * 4 * 64 * 4);
  });
});

it("arguments have oneDNN's names", () => {
  expect([1, 2, 17, 129, 161, 1024, 1026].map(argumentName)).toEqual([
    "src",
    "src1",
    "dst",
    "diff_src",
    "diff_weights",
    "src_0",
    "src_2",
  ]);
});

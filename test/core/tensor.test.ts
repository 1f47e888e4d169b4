import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InternalError, UserError } from "../../src/core/errors.ts";
import {
  elementCount,
  filled,
  formatShape,
  put,
  rowMajorStrides,
  sameShape,
  take,
  tensor,
} from "../../src/core/tensor.ts";

describe("shapes", () => {
  it("counts elements; a scalar has one", () => {
    expect(elementCount([2, 3, 4])).toBe(24);
    expect(elementCount([5, 0])).toBe(0);
    expect(elementCount([])).toBe(1);
  });

  it("compares", () => {
    expect(sameShape([1, 2], [1, 2])).toBe(true);
    expect(sameShape([1, 2], [2, 1])).toBe(false);
    expect(sameShape([1, 2], [1, 2, 1])).toBe(false);
  });

  it("prints named and numbered dimensions", () => {
    expect(formatShape(["N", 3, 32])).toBe("[N,3,32]");
    expect(formatShape([])).toBe("[]");
  });

  it("has strides by which the last axis moves fastest", () => {
    expect(rowMajorStrides([2, 3, 4])).toEqual([12, 4, 1]);
    expect(rowMajorStrides([])).toEqual([]);
  });
});

describe("tensor", () => {
  it("wraps without a copy and refuses data that does not fill the shape", () => {
    const data = Float32Array.of(1, 2, 3, 4);
    expect(tensor([2, 2], data).data).toBe(data);
    expect(() => tensor([3], data)).toThrow(UserError);
    expect([...tensor([2]).data]).toEqual([0, 0]);
  });

  it("fills", () => {
    expect([...filled([3], 0.5).data]).toEqual([0.5, 0.5, 0.5]);
  });
});

describe("take", () => {
  it("keeps the given indices of an axis, in the given order", () => {
    const source = tensor([2, 3], Float32Array.of(0, 1, 2, 10, 11, 12));
    expect(take(source, 1, [2, 0])).toEqual(tensor([2, 2], Float32Array.of(2, 0, 12, 10)));
    expect(take(source, 0, [1])).toEqual(tensor([1, 3], Float32Array.of(10, 11, 12)));
    expect(take(source, 1, []).shape).toEqual([2, 0]);
  });

  it("refuses an axis or an index that is not there", () => {
    expect(() => take(tensor([2, 3]), 2, [0])).toThrow(InternalError);
    expect(() => take(tensor([2, 3]), 1, [3])).toThrow(InternalError);
    expect(() => take(tensor([2, 3]), 1, [-1])).toThrow(InternalError);
  });

  it("agrees with looking each element up by its strides", () => {
    const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(shapes, fc.nat(), fc.array(fc.nat(), { maxLength: 6 }), (shape, axisSeed, picks) => {
        const axis = axisSeed % shape.length;
        const indices = picks.map((pick) => pick % (shape[axis] ?? 1));
        const source = tensor(
          shape,
          Float32Array.from({ length: elementCount(shape) }, (_, index) => index),
        );
        const result = take(source, axis, indices);
        expect(result.shape).toEqual(shape.with(axis, indices.length));
        const from = rowMajorStrides(shape);
        const to = rowMajorStrides(result.shape);
        for (const [position, value] of result.data.entries()) {
          const place = to.map((stride, dimension) => Math.floor(position / stride) % (result.shape[dimension] ?? 1));
          const origin = place.with(axis, indices[place[axis] ?? 0] ?? 0);
          expect(value).toBe(origin.reduce((sum, index, dimension) => sum + index * (from[dimension] ?? 0), 0));
        }
      }),
    );
  });
});

describe("put", () => {
  it("is the other way round of take, and leaves the rest alone", () => {
    const target = tensor([2, 3], Float32Array.of(0, 1, 2, 3, 4, 5));
    const result = put(target, 1, [2, 0], tensor([2, 2], Float32Array.of(10, 11, 12, 13)));
    expect([...result.data]).toEqual([11, 1, 10, 13, 4, 12]);
    expect([...target.data]).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...take(result, 1, [2, 0]).data]).toEqual([10, 11, 12, 13]);
  });

  it("refuses what does not fit", () => {
    expect(() => put(tensor([2, 3]), 2, [0], tensor([2, 3]))).toThrow(InternalError);
    expect(() => put(tensor([2, 3]), 1, [0, 1], tensor([2, 1]))).toThrow(InternalError);
    expect(() => put(tensor([2, 3]), 1, [3], tensor([2, 1]))).toThrow(InternalError);
  });
});

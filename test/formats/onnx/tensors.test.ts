/** Every element type and encoding of a tensor, compared with values written out by hand. */
import { expect, test } from "vitest";
import { noExternalData } from "../../../src/formats/onnx/external.ts";
import type { TensorMessage } from "../../../src/formats/onnx/proto.ts";
import { readTensor } from "../../../src/formats/onnx/tensors.ts";

function raw(array: { readonly buffer: ArrayBufferLike }): Uint8Array {
  return new Uint8Array(array.buffer);
}

const cases: readonly (readonly [string, TensorMessage, readonly number[]])[] = [
  ["FLOAT, raw", { dataType: 1, rawData: raw(Float32Array.of(1.5, -2)) }, [1.5, -2]],
  ["FLOAT, typed", { dataType: 1, floatData: [1.5, -2] }, [1.5, -2]],
  ["UINT8, raw", { dataType: 2, rawData: Uint8Array.of(1, 255) }, [1, 255]],
  ["INT8, raw", { dataType: 3, rawData: Uint8Array.of(1, 255) }, [1, -1]],
  ["INT8, typed", { dataType: 3, int32Data: [1, -1] }, [1, -1]],
  ["UINT16, raw", { dataType: 4, rawData: raw(Uint16Array.of(1, 65535)) }, [1, 65535]],
  ["INT16, raw", { dataType: 5, rawData: raw(Int16Array.of(1, -2)) }, [1, -2]],
  ["INT32, raw", { dataType: 6, rawData: raw(Int32Array.of(7, -8)) }, [7, -8]],
  ["INT32, typed", { dataType: 6, int32Data: [7, -8] }, [7, -8]],
  ["INT64, raw", { dataType: 7, rawData: raw(BigInt64Array.of(-5n, 2n ** 40n)) }, [-5, 2 ** 40]],
  ["INT64, typed", { dataType: 7, int64Data: [-5, 2 ** 40] }, [-5, 2 ** 40]],
  ["BOOL, raw", { dataType: 9, rawData: Uint8Array.of(0, 2) }, [0, 1]],
  // 1.5 = 0x3e00, the least subnormal = 0x0001.
  ["FLOAT16, raw", { dataType: 10, rawData: raw(Uint16Array.of(0x3e00, 0x0001)) }, [1.5, 2 ** -24]],
  ["FLOAT16, typed", { dataType: 10, int32Data: [0xc000, 0x7bff] }, [-2, 65504]],
  ["FLOAT16, not finite", { dataType: 10, int32Data: [0xfc00, 0x7e00] }, [Number.NEGATIVE_INFINITY, Number.NaN]],
  ["DOUBLE, raw", { dataType: 11, rawData: raw(Float64Array.of(0.25, -3)) }, [0.25, -3]],
  ["DOUBLE, typed", { dataType: 11, doubleData: [0.25, -3] }, [0.25, -3]],
  ["UINT32, raw", { dataType: 12, rawData: raw(Uint32Array.of(1, 2 ** 32 - 1)) }, [1, 2 ** 32 - 1]],
  ["UINT64, typed", { dataType: 13, uint64Data: [1, 2 ** 40] }, [1, 2 ** 40]],
  // The upper half of 1.5 = 0x3fc00000 and of −2 = 0xc0000000.
  ["BFLOAT16, raw", { dataType: 16, rawData: raw(Uint16Array.of(0x3fc0, 0xc000)) }, [1.5, -2]],
];

test.each(cases)("%s", (_, message, expected) => {
  const { dims, values } = readTensor({ name: "t", dims: [2], ...message }, "x.onnx", noExternalData);
  expect(dims).toEqual([2]);
  expect([...values]).toEqual(expected);
});

test("the error for an element type that is not numeric lists the supported ones", () => {
  expect(() => readTensor({ name: "t", dims: [1], dataType: 8 }, "x.onnx", noExternalData)).toThrow(
    /tensor "t" in x\.onnx.*expected FLOAT, .*got type 8/,
  );
});

import { describe, expect, it } from "vitest";
import { bitmapSize, decodeBitmap } from "../../../src/data/images/bmp.ts";

interface Parts {
  readonly width: number;
  readonly height: number;
  readonly bits: number;
  readonly compression?: number;
  readonly masks?: readonly number[];
  readonly palette?: readonly (readonly [number, number, number])[];
  readonly rows: readonly (readonly number[])[];
}

/** A BMP file with a header of 40 bytes; each row is given as bytes and filled up here. */
function bmp({ width, height, bits, compression = 0, masks = [], palette = [], rows }: Parts): Buffer {
  const header = Buffer.alloc(54);
  const body = rows.map((row) => Buffer.concat([Buffer.from(row), Buffer.alloc((4 - (row.length % 4)) % 4)]));
  const tables = [
    ...masks.map((mask) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(mask);
      return bytes;
    }),
    ...palette.map(([red, green, blue]) => Buffer.from([blue, green, red, 0])),
  ];
  const start = 54 + 4 * tables.length;
  header.write("BM");
  header.writeUInt32LE(start, 10);
  header.writeUInt32LE(40, 14);
  header.writeInt32LE(width, 18);
  header.writeInt32LE(height, 22);
  header.writeUInt16LE(1, 26);
  header.writeUInt16LE(bits, 28);
  header.writeUInt32LE(compression, 30);
  header.writeUInt32LE(palette.length, 46);
  return Buffer.concat([header, ...tables, ...body]);
}

const pixelsOf = (bytes: Buffer): number[] => [...decodeBitmap(bytes).pixels];

describe("decodeBitmap", () => {
  it("reads rows from below or from above", () => {
    const rows = [
      [1, 2, 3],
      [4, 5, 6],
    ];
    expect(pixelsOf(bmp({ width: 1, height: 2, bits: 24, rows }))).toEqual([6, 5, 4, 3, 2, 1]);
    expect(pixelsOf(bmp({ width: 1, height: -2, bits: 24, rows }))).toEqual([3, 2, 1, 6, 5, 4]);
  });

  it("reads 16 bits: 5-5-5 without masks, 5-6-5 with them", () => {
    // 0x7c1f: red and blue at their most; 0x001f: blue; as little-endian pairs.
    const plain = bmp({ width: 2, height: 1, bits: 16, rows: [[0x1f, 0x7c, 0x1f, 0x00]] });
    expect(pixelsOf(plain)).toEqual([255, 0, 255, 0, 0, 255]);
    const masked = bmp({
      ...{ width: 2, height: 1, bits: 16, compression: 3, masks: [0xf800, 0x07e0, 0x001f] },
      rows: [[0xe0, 0x07, 0x00, 0x80]],
    });
    // 0x07e0: green at its most; 0x8000: red 16 of 31.
    expect(pixelsOf(masked)).toEqual([0, 255, 0, Math.round((255 * 16) / 31), 0, 0]);
  });

  it("reads 32 bits by masks, the highest bit included", () => {
    const bytes = bmp({
      ...{ width: 1, height: 1, bits: 32, compression: 3, masks: [0xff000000, 0x00ff0000, 0x0000ff00] },
      rows: [[9, 30, 20, 200]],
    });
    expect(pixelsOf(bytes)).toEqual([200, 20, 30]);
  });

  it("reads 4 bits of a palette, the left pixel in the high bits", () => {
    const palette = [
      [0, 0, 0],
      [10, 20, 30],
      [40, 50, 60],
    ] as const;
    const bytes = bmp({ width: 3, height: 1, bits: 4, palette, rows: [[0x12, 0x10]] });
    expect(pixelsOf(bytes)).toEqual([10, 20, 30, 40, 50, 60, 10, 20, 30]);
    // An index behind the palette is black.
    expect(pixelsOf(bmp({ width: 1, height: 1, bits: 4, palette, rows: [[0xf0]] }))).toEqual([0, 0, 0]);
  });

  it("reads the oldest header, of 12 bytes", () => {
    const header = Buffer.alloc(26);
    header.write("BM");
    header.writeUInt32LE(26, 10);
    header.writeUInt32LE(12, 14);
    header.writeUInt16LE(1, 18);
    header.writeUInt16LE(1, 20);
    header.writeUInt16LE(24, 24);
    expect(pixelsOf(Buffer.concat([header, Buffer.from([3, 2, 1, 0])]))).toEqual([1, 2, 3]);
  });

  it.each([
    ["run lengths", bmp({ width: 1, height: 1, bits: 8, compression: 1, rows: [[1, 1]] }), /run-length encoded/],
    ["other compressions", bmp({ width: 1, height: 1, bits: 24, compression: 4, rows: [[1]] }), /compression 4/],
    ["odd depths", bmp({ width: 1, height: 1, bits: 12, rows: [[1]] }), /12 bits a pixel/],
    ["no pixels", bmp({ width: 0, height: 1, bits: 24, rows: [] }), /says 0x1 pixels/],
    ["missing rows", bmp({ width: 9, height: 9, bits: 24, rows: [[1, 2, 3]] }), /cut short: its rows/],
    ["a missing palette", bmp({ width: 1, height: 1, bits: 8, rows: [[1]] }), /cut short: its palette/],
    ["a short header", Buffer.from("BM and nothing more"), /cut short/],
  ])("refuses %s with the reason", (_, bytes, reason) => {
    expect(() => decodeBitmap(bytes)).toThrow(reason);
  });

  it("says the size without reading pixels", () => {
    expect(bitmapSize(bmp({ width: 70, height: -50, bits: 24, rows: [] }))).toEqual({ width: 70, height: 50 });
  });
});

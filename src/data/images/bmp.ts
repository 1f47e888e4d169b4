/**
 * Reads a BMP file into 8-bit RGB, because libvips has no reader for it here. It reads 1, 4, 8, 16, 24 and 32 bits a
 * pixel, with palettes and bit masks, and rows in either order. Transparency is ignored: most writers leave it at zero.
 * Layout: "Bitmap Storage" in Microsoft's documentation of Windows GDI.
 */

export interface Bitmap {
  readonly width: number;
  readonly height: number;
  /** Interleaved red, green and blue, first row first. */
  readonly pixels: Buffer;
}

/** Bytes of the file header, which the bitmap header follows. */
const FILE_HEADER = 14;
/** Bytes of the oldest bitmap header, with 16-bit sizes and palette entries of three bytes. */
const OLD_HEADER = 12;
const NEW_HEADER = 40;
const compressions = { none: 0, rle8: 1, rle4: 2, masks: 3, masksWithAlpha: 6 } as const;

interface Header {
  readonly width: number;
  readonly height: number;
  readonly isTopDown: boolean;
  readonly bits: number;
  readonly hasMasks: boolean;
  /** Offsets of palette and pixels, and bytes of a palette entry. */
  readonly palette: number;
  readonly entry: number;
  readonly colours: number;
  readonly pixels: number;
}

/**
 * Width and height of the BMP file `bytes`.
 * @throws Error with the reason if its header is damaged or of a kind that is not read.
 */
export function bitmapSize(bytes: Buffer): Pick<Bitmap, "width" | "height"> {
  const { width, height } = headerOf(bytes);
  return { width, height };
}

/** Decodes the BMP file `bytes`. @throws Error with the reason if it is damaged or of a kind that is not read. */
export function decodeBitmap(bytes: Buffer): Bitmap {
  const header = headerOf(bytes);
  const { width, height, bits, isTopDown } = header;
  // Each row is filled up to a multiple of four bytes.
  const rowBytes = Math.ceil((width * bits) / 32) * 4;
  if (header.pixels + rowBytes * (height - 1) + Math.ceil((width * bits) / 8) > bytes.length) {
    throw new Error("the file is cut short: its rows are not complete");
  }
  const write = writerOf(bytes, header);
  const pixels = Buffer.alloc(width * height * 3);
  for (let row = 0; row < height; row++) {
    const from = header.pixels + rowBytes * (isTopDown ? row : height - 1 - row);
    for (let column = 0; column < width; column++) write(from, column, pixels, 3 * (row * width + column));
  }
  return { width, height, pixels };
}

function headerOf(bytes: Buffer): Header {
  if (bytes.length < FILE_HEADER + OLD_HEADER) throw new Error("the file is cut short: it has no complete BMP header");
  const size = bytes.readUInt32LE(FILE_HEADER);
  const isOld = size === OLD_HEADER;
  if (!isOld && (size < NEW_HEADER || bytes.length < FILE_HEADER + size)) {
    throw new Error(`its BMP header of ${size} bytes is damaged or of an unknown version`);
  }
  const [width, signedHeight, bits] = isOld
    ? [bytes.readUInt16LE(18), bytes.readUInt16LE(20), bytes.readUInt16LE(24)]
    : [bytes.readInt32LE(18), bytes.readInt32LE(22), bytes.readUInt16LE(28)];
  const height = Math.abs(signedHeight);
  if (width <= 0 || height === 0) throw new Error(`its BMP header says ${width}x${signedHeight} pixels`);
  const compression = isOld ? compressions.none : bytes.readUInt32LE(30);
  const hasMasks = compression === compressions.masks || compression === compressions.masksWithAlpha;
  if (compression === compressions.rle8 || compression === compressions.rle4) {
    throw new Error("it is a run-length encoded BMP file: save it without compression, or as PNG");
  }
  if (compression !== compressions.none && !hasMasks) throw new Error(`its BMP compression ${compression} is not read`);
  const isReadable = hasMasks ? bits === 16 || bits === 32 : [1, 4, 8, 16, 24, 32].includes(bits);
  if (!isReadable) throw new Error(`it is a BMP file of ${bits} bits a pixel, which is not read`);
  const used = isOld ? 0 : bytes.readUInt32LE(46);
  return {
    ...{ width, height, bits, hasMasks, isTopDown: signedHeight < 0 },
    palette: FILE_HEADER + size,
    entry: isOld ? 3 : 4,
    colours: bits > 8 ? 0 : used === 0 ? 2 ** bits : Math.min(used, 2 ** bits),
    pixels: bytes.readUInt32LE(10),
  };
}

/** Writes the pixel in `column` of the row that starts at `from` to `target` in `pixels`. */
type Writer = (from: number, column: number, pixels: Buffer, target: number) => void;

function writerOf(bytes: Buffer, header: Header): Writer {
  const { bits } = header;
  if (bits <= 8) return paletteWriter(bytes, header);
  if (bits === 24 || (bits === 32 && !header.hasMasks)) {
    const step = bits / 8;
    return (from, column, pixels, target) => {
      const at = from + step * column;
      for (let channel = 0; channel < 3; channel++) pixels[target + channel] = bytes[at + 2 - channel] ?? 0;
    };
  }
  const masks = header.hasMasks ? masksOf(bytes) : [0x7c00, 0x03e0, 0x001f];
  const scales = masks.map((mask) => ({ mask, shift: mask === 0 ? 0 : 31 - Math.clz32(mask & -mask) }));
  return (from, column, pixels, target) => {
    const value = bits === 16 ? bytes.readUInt16LE(from + 2 * column) : bytes.readUInt32LE(from + 4 * column);
    for (const [channel, { mask, shift }] of scales.entries()) {
      const most = mask >>> shift;
      pixels[target + channel] = most === 0 ? 0 : Math.round((255 * ((value & mask) >>> shift)) / most);
    }
  };
}

/** The masks of red, green and blue; they lie at the same place in all headers. */
function masksOf(bytes: Buffer): readonly number[] {
  const at = FILE_HEADER + NEW_HEADER;
  if (bytes.length < at + 12) throw new Error("the file is cut short: its bit masks are missing");
  return [0, 4, 8].map((offset) => bytes.readUInt32LE(at + offset));
}

function paletteWriter(bytes: Buffer, { bits, palette, entry, colours }: Header): Writer {
  if (palette + entry * colours > bytes.length) throw new Error("the file is cut short: its palette is not complete");
  const most = 2 ** bits - 1;
  return (from, column, pixels, target) => {
    const bit = column * bits;
    // The leftmost pixel is in the highest bits of a byte.
    const index = ((bytes[from + (bit >> 3)] ?? 0) >> (8 - bits - (bit & 7))) & most;
    const at = palette + entry * index;
    for (let channel = 0; channel < 3; channel++) {
      pixels[target + channel] = index < colours ? (bytes[at + 2 - channel] ?? 0) : 0;
    }
  };
}

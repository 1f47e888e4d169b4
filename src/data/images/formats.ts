/** The formats of images that are decoded: their names, and how a file is recognised by its first bytes. */

/** The format of a file. "heic" is recognised but not decoded. */
export type ImageFormat = "jpeg" | "png" | "webp" | "gif" | "tiff" | "avif" | "bmp" | "heic";

/** The formats that are decoded, for messages. */
export const FORMATS = "JPEG, PNG, WebP, GIF, TIFF, AVIF or BMP";

/** Names of files that are read. What a file holds is decided by its bytes. */
export const imageName: RegExp = /\.(jpe?g|jpe|jfif|png|webp|gif|tiff?|avif|bmp|dib)$/i;
/** Names of images that are not decoded. */
export const otherImageName: RegExp = /\.(heic|heif|jp2|j2k|jxl|ppm|pgm|svg|raw|dng|cr2|nef|arw|tga|psd|exr|dcm)$/i;

/** Bytes that `formatOf` looks at. */
export const HEADER_BYTES = 64;

const signatures: readonly (readonly [ImageFormat, string])[] = [
  ["jpeg", "\xff\xd8\xff"],
  ["png", "\x89PNG\r\n\x1a\n"],
  ["gif", "GIF87a"],
  ["gif", "GIF89a"],
  ["tiff", "II*\0"],
  ["tiff", "MM\0*"],
  ["tiff", "II+\0"],
  ["tiff", "MM\0+"],
  ["bmp", "BM"],
];

/** The format that the first bytes of a file show; undefined for anything else. */
export function formatOf(bytes: Uint8Array): ImageFormat | undefined {
  const header = Buffer.from(bytes.subarray(0, HEADER_BYTES)).toString("latin1");
  const found = signatures.find(([, signature]) => header.startsWith(signature))?.[0];
  if (found !== undefined) return found;
  if (header.startsWith("RIFF") && header.startsWith("WEBP", 8)) return "webp";
  // A file of the ISO base media format lists its brands behind "ftyp", four characters each.
  if (!header.startsWith("ftyp", 4)) return undefined;
  const end = Math.min(header.length, Buffer.from(bytes.subarray(0, 4)).readUInt32BE());
  const brands = Array.from({ length: Math.max(0, (end - 8) >> 2) }, (_, at) => header.slice(8 + 4 * at, 12 + 4 * at));
  if (brands.some((brand) => brand === "avif" || brand === "avis")) return "avif";
  return brands.some((brand) => /^(hei[cxms]|hev[cx])$/.test(brand)) ? "heic" : undefined;
}

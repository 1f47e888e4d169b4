/**
 * ONNX files spoilt field by field: numbers, names, lists and data that are wrong inside messages that are sound, and
 * so get past the decoding that stops nearly all files with spoilt bytes. A function of (seed, number) alone.
 */
import { RandomStream } from "../../src/core/random.ts";
import { decodeModel, encodeModel } from "../../src/formats/onnx/proto.ts";

const numbers = [
  ...[-(2 ** 63), -(2 ** 31), -1_000_000_000, -2, -1, 0, 1, 2, 3, 4, 7, 8, 64, 255, 1000],
  ...[2 ** 16, 1_000_000_000, 2 ** 31 - 1, 2 ** 32, 2 ** 53 - 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY],
];

/** A field of a message, or an element of a list. */
interface Place {
  readonly holder: object;
  readonly key: string;
}

const at = ({ holder, key }: Place): unknown => Reflect.get(holder, key);
const set = ({ holder, key }: Place, value: unknown): unknown => Reflect.set(holder, key, value);

function isMessage(value: unknown): value is object {
  return typeof value === "object" && value !== null && !(value instanceof Uint8Array) && !("unsigned" in value);
}

function placesIn(holder: object): Place[] {
  return Object.keys(holder).flatMap((key) => {
    const place = { holder, key };
    const value = at(place);
    return isMessage(value) ? [place, ...placesIn(value)] : [place];
  });
}

function pick<T>(list: readonly T[], random: RandomStream): T | undefined {
  return list[random.integer(list.length)];
}

function spoilBytes(bytes: Uint8Array, random: RandomStream): Uint8Array {
  const kind = random.integer(4);
  if (kind === 0) return bytes.subarray(0, random.integer(bytes.length + 1));
  const changed = new Uint8Array(kind === 1 ? bytes.length + 1 + random.integer(16) : bytes.length);
  changed.set(bytes);
  // What shapes and axes are computed from lies in 64-bit numbers; short data are mostly that.
  const length = Math.max(1, Math.floor(bytes.length / 8));
  if (kind === 2 && bytes.length >= 8) {
    const value = BigInt.asIntN(64, BigInt(Math.trunc(pick(numbers.slice(0, 20), random) ?? 0)));
    new DataView(changed.buffer).setBigInt64(8 * random.integer(length), value, true);
  } else if (kind === 3 && bytes.length > 0) {
    changed[random.integer(changed.length)] = random.integer(256);
  }
  return changed;
}

/** An element more, less or elsewhere. */
function spoilList(list: unknown[], places: readonly Place[], random: RandomStream): void {
  const [from, to] = [random.integer(list.length), random.integer(list.length)];
  const kind = random.integer(4);
  if (kind === 0) list.splice(from, 1);
  else if (kind === 1) list.splice(to, 0, list[from]);
  else if (kind === 2) [list[from], list[to]] = [list[to], list[from]];
  else {
    // From another list of the same field: a node's inputs, the bounds of an attribute.
    const others = places.flatMap((place) => (Array.isArray(at(place)) ? [at(place)] : []));
    const other = pick(others, random);
    if (!Array.isArray(other)) return;
    // Messages stay where they are: one inside itself could not be written.
    const isAlike = typeof other[0] === typeof list[0] && !isMessage(other[0]) && !isMessage(list[0]);
    if (isAlike) list.push(other[0]);
  }
}

function spoil(place: Place, places: readonly Place[], random: RandomStream): void {
  const value = at(place);
  if (Array.isArray(value) && value.length > 0) spoilList(value, places, random);
  else if (typeof value === "string") {
    const strings = places.map(at).filter((each) => typeof each === "string");
    set(place, random.integer(8) === 0 ? "../../x" : pick(strings, random));
  } else if (value instanceof Uint8Array) set(place, spoilBytes(value, random));
  else if (isMessage(value) || random.integer(8) === 0) {
    if (!Array.isArray(place.holder)) Reflect.deleteProperty(place.holder, place.key);
  } else if (typeof value === "number" || (typeof value === "object" && value !== null)) {
    set(place, pick(numbers, random));
  }
}

/** File `number`: one of `sound`, changed in one to three fields. */
export function mutateOnnx(sound: readonly Uint8Array[], seed: number, number: number): Buffer {
  const random = new RandomStream(seed, "fuzz:onnx fields", number);
  const model = decodeModel(pick(sound, random) ?? new Uint8Array(), "sound.onnx");
  for (let left = 1 + random.integer(3); left > 0; left--) {
    const places = placesIn(model);
    const place = pick(places, random);
    if (place !== undefined) spoil(place, places, random);
  }
  return Buffer.from(encodeModel(model));
}

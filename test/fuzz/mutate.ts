/** Bytes of a sound file, spoilt: a function of (seed, target, number) alone, so that any input can be made again. */
import { RandomStream } from "../../src/core/random.ts";

/** Numbers that lengths and dimensions are wrong with. */
const extremes = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];
const words = [
  "0",
  "-1",
  "1e999",
  "NaN",
  "null",
  '"',
  "{",
  "[",
  ",",
  "\n",
  "\0",
  "9".repeat(20),
  "\u{1f600}",
  "../../x",
];

type Change = (bytes: Buffer, random: RandomStream) => Buffer;

const changes: readonly Change[] = [
  function setByte(bytes, random) {
    bytes[random.integer(bytes.length)] = random.integer(256);
    return bytes;
  },
  function flipBit(bytes, random) {
    const at = random.integer(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.integer(8));
    return bytes;
  },
  function setNumber(bytes, random) {
    const value = extremes[random.integer(extremes.length)] ?? 0;
    if (bytes.length < 4) return bytes;
    const at = random.integer(bytes.length - 3);
    if (random.integer(2) === 0) bytes.writeUInt32LE(value, at);
    else bytes.writeUInt32BE(value, at);
    return bytes;
  },
  function growVarint(bytes, random) {
    // What protobuf and Thrift write lengths as: up to ten bytes that all say "more follows".
    const at = random.integer(bytes.length);
    bytes.fill(0xff, at, Math.min(bytes.length, at + 1 + random.integer(9)));
    return bytes;
  },
  function remove(bytes, random) {
    const at = random.integer(bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.integer(32))]);
  },
  function repeat(bytes, random) {
    const at = random.integer(bytes.length);
    const part = bytes.subarray(at, at + 1 + random.integer(64));
    const times = 1 + random.integer(20);
    return Buffer.concat([bytes.subarray(0, at), ...Array<Buffer>(times).fill(part), bytes.subarray(at)]);
  },
  function insertWord(bytes, random) {
    const at = random.integer(bytes.length);
    const word = Buffer.from(words[random.integer(words.length)] ?? "");
    return Buffer.concat([bytes.subarray(0, at), word, bytes.subarray(at)]);
  },
  function moveAround(bytes, random) {
    const [from, to] = [random.integer(bytes.length), random.integer(bytes.length)];
    bytes.copy(bytes, to, from, Math.min(bytes.length, from + random.integer(64)));
    return bytes;
  },
  function cutShort(bytes, random) {
    return bytes.subarray(0, random.integer(bytes.length));
  },
];

/** Input `number` of `target`: one of `sound`, changed in one to four places. */
export function mutate(sound: readonly Uint8Array[], seed: number, target: string, number: number): Buffer {
  const random = new RandomStream(seed, `fuzz:${target}`, number);
  let bytes: Buffer = Buffer.from(sound[random.integer(sound.length)] ?? new Uint8Array());
  for (let left = 1 + random.integer(4); left > 0 && bytes.length > 0; left--) {
    bytes = changes[random.integer(changes.length)]?.(bytes, random) ?? bytes;
  }
  return bytes;
}

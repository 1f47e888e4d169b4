/**
 * Whether a file can be a library of this machine, told by its first bytes: the dynamic linker's own checks are no help
 * against a file that was cut short, since it maps what the headers promise and the process dies at the first touch of
 * what is missing.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { endianness } from "node:os";

/** What a file should be and what it is instead, in words that complete "expected …, got …". */
export interface FileRefusal {
  readonly expected: string;
  readonly received: string;
}

/** The processor that files must be made for, and what the three formats call it; others are left to the linker. */
const processors: Readonly<Partial<Record<NodeJS.Architecture, { name: string; elf: number; pe?: number }>>> = {
  x64: { name: "x86-64", elf: 62, pe: 0x8664 },
  arm64: { name: "AArch64", elf: 183, pe: 0xaa64 },
  ppc64: { name: "PowerPC64", elf: 21 },
  s390x: { name: "S390x", elf: 22 },
  riscv64: { name: "RISC-V", elf: 243 },
  loong64: { name: "LoongArch", elf: 258 },
};

const otherElfMachines: Readonly<Record<number, string>> = { 3: "32-bit x86", 40: "32-bit ARM" };

const SHARED_OBJECT = 3;
const PROGRAM_HEADER_LOAD = 1;
const SECTION_WITHOUT_BYTES = 8;

/** Reads few bytes of the file at `path`; nothing if it can be a library of this machine. Never throws. */
export function refuseLibraryFile(path: string): FileRefusal | undefined {
  const expected = `a ${kind()} library for ${processors[process.arch]?.name ?? process.arch}`;
  const refuse = (received: string): FileRefusal => ({ expected, received });
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    return refuse(unreadable(error));
  }
  try {
    const status = fstatSync(file);
    if (status.isDirectory()) return refuse("a folder");
    if (!status.isFile()) return refuse("no regular file");
    if (status.size === 0) return refuse("an empty file");
    const received = complaint(new Bytes(file, status.size));
    return received === undefined ? undefined : refuse(received);
  } catch (error) {
    return refuse(unreadable(error));
  } finally {
    closeSync(file);
  }
}

function kind(): string {
  if (process.platform === "darwin") return "Mach-O";
  return process.platform === "win32" ? "PE" : "64-bit ELF";
}

function complaint(bytes: Bytes): string | undefined {
  if (process.platform === "darwin") return machOComplaint(bytes);
  return process.platform === "win32" ? peComplaint(bytes) : elfComplaint(bytes);
}

function unreadable(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOENT" || code === "ENOTDIR") return "no such file";
  if (code === "EACCES" || code === "EPERM") return "a file that this user may not read";
  return error instanceof Error ? error.message : String(error);
}

/** Parts of a file that need not fit into memory. */
class Bytes {
  readonly size: number;
  readonly #file: number;

  constructor(file: number, size: number) {
    this.#file = file;
    this.size = size;
  }

  /** Nothing if the file ends before `offset + length`. */
  at(offset: number, length: number): DataView | undefined {
    if (!(offset >= 0 && offset + length <= this.size)) return undefined;
    const buffer = new Uint8Array(length);
    const count = readSync(this.#file, buffer, 0, length, offset);
    return count === length ? new DataView(buffer.buffer) : undefined;
  }
}

const offset64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, littleEndian));
const littleEndian = endianness() === "LE";

/** The ELF header, then that every part it promises lies in the file (System V ABI, chapters 4 and 5). */
function elfComplaint(bytes: Bytes): string | undefined {
  const magic = bytes.at(0, 4)?.getUint32(0);
  if (magic !== 0x7f454c46) return "no ELF file";
  const header = bytes.at(0, 64);
  if (header === undefined) return truncated(bytes);
  if (header.getUint8(4) !== 2) return "a 32-bit file";
  if ((header.getUint8(5) === 1) !== littleEndian) return "a file for processors of the other byte order";
  const machine = header.getUint16(18, littleEndian);
  const wanted = processors[process.arch]?.elf;
  if (wanted !== undefined && machine !== wanted) return `a file for ${elfMachine(machine)}`;
  if (header.getUint16(16, littleEndian) !== SHARED_OBJECT) return "an ELF file that is no shared library";
  const programs = { start: offset64(header, 32), size: header.getUint16(54, littleEndian), count: 56 };
  const sections = { start: offset64(header, 40), size: header.getUint16(58, littleEndian), count: 60 };
  const whole =
    table(bytes, programs.start, programs.size, header.getUint16(programs.count, littleEndian), segmentEnd) &&
    table(bytes, sections.start, sections.size, header.getUint16(sections.count, littleEndian), sectionEnd);
  return whole ? undefined : truncated(bytes);
}

/** Whether a table of headers and all that they point to lie in the file. */
function table(bytes: Bytes, start: number, size: number, count: number, end: (entry: DataView) => number): boolean {
  if (count === 0) return true;
  if (size < 56) return false;
  const view = bytes.at(start, size * count);
  if (view === undefined) return false;
  return Array.from({ length: count }, (_, index) => end(new DataView(view.buffer, index * size, size))).every(
    (last) => last <= bytes.size,
  );
}

function segmentEnd(entry: DataView): number {
  if (entry.getUint32(0, littleEndian) !== PROGRAM_HEADER_LOAD) return 0;
  return offset64(entry, 8) + offset64(entry, 32);
}

function sectionEnd(entry: DataView): number {
  if (entry.getUint32(4, littleEndian) === SECTION_WITHOUT_BYTES) return 0;
  return offset64(entry, 24) + offset64(entry, 32);
}

function elfMachine(machine: number): string {
  const known = Object.values(processors).find(({ elf }) => elf === machine)?.name ?? otherElfMachines[machine];
  return known ?? `another processor (ELF machine ${machine})`;
}

function truncated({ size }: Bytes): string {
  return `a file that was cut short (${size} bytes are less than its headers say)`;
}

/** 64-bit, or a universal file of several processors, whose choice is the linker's. */
function machOComplaint(bytes: Bytes): string | undefined {
  const magic = bytes.at(0, 4)?.getUint32(0);
  return magic === 0xcffaedfe || magic === 0xcafebabe || magic === 0xcafebabf ? undefined : "no Mach-O file of 64 bits";
}

function peComplaint(bytes: Bytes): string | undefined {
  const start = bytes.at(0, 64);
  if (start?.getUint16(0) !== 0x4d5a) return "no PE file";
  const header = bytes.at(start.getUint32(60, true), 6);
  if (header?.getUint32(0) !== 0x50450000) return "no PE file";
  const wanted = processors[process.arch]?.pe;
  return wanted === undefined || header.getUint16(4, true) === wanted ? undefined : "a file for another processor";
}

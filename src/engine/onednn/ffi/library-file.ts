/**
 * Checks by its first bytes whether a file can be a library for this machine. The dynamic linker does not detect
 * truncated files: it maps the size in the headers, and the process ends at the first access to a missing page.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { endianness } from "node:os";

/** The expected and the actual kind of a file, in words that complete "expected …, got …". */
export interface FileRefusal {
  readonly expected: string;
  readonly received: string;
}

/** Numbers of processors in the three file formats. Files on other processors are left to the linker. */
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

/** Checks the file at `path`. Undefined if it can be a library for this machine. Reads few bytes and never throws. */
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
    if (!status.isFile()) return refuse("something other than a regular file");
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

/** Reads parts of a file, which may be larger than the memory. */
class Bytes {
  readonly size: number;
  readonly #file: number;

  constructor(file: number, size: number) {
    this.#file = file;
    this.size = size;
  }

  /** Undefined if the file ends before `offset + length`. */
  at(offset: number, length: number): DataView | undefined {
    if (!(offset >= 0 && offset + length <= this.size)) return undefined;
    const buffer = new Uint8Array(length);
    const count = readSync(this.#file, buffer, 0, length, offset);
    return count === length ? new DataView(buffer.buffer) : undefined;
  }
}

const offset64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, littleEndian));
const littleEndian = endianness() === "LE";

/** Checks the ELF header, and that the file contains every part that it lists (System V ABI, chapters 4 and 5). */
function elfComplaint(bytes: Bytes): string | undefined {
  const magic = bytes.at(0, 4)?.getUint32(0);
  if (magic !== 0x7f454c46) return "a file that is not ELF";
  const header = bytes.at(0, 64);
  if (header === undefined) return truncated(bytes);
  if (header.getUint8(4) !== 2) return "a 32-bit file";
  if ((header.getUint8(5) === 1) !== littleEndian) return "a file for processors of the other byte order";
  const machine = header.getUint16(18, littleEndian);
  const wanted = processors[process.arch]?.elf;
  if (wanted !== undefined && machine !== wanted) return `a file for ${elfMachine(machine)}`;
  if (header.getUint16(16, littleEndian) !== SHARED_OBJECT) return "an ELF file that is not a shared library";
  const programs = { start: offset64(header, 32), size: header.getUint16(54, littleEndian), count: 56 };
  const sections = { start: offset64(header, 40), size: header.getUint16(58, littleEndian), count: 60 };
  const whole =
    table(bytes, programs.start, programs.size, header.getUint16(programs.count, littleEndian), segmentEnd) &&
    table(bytes, sections.start, sections.size, header.getUint16(sections.count, littleEndian), sectionEnd);
  return whole ? undefined : truncated(bytes);
}

/** Whether the file contains a table of headers and everything that they point to. */
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
  return `a truncated file (${size} bytes are less than its headers say)`;
}

/** Checks for a 64-bit Mach-O file, or a universal file for several processors, from which the linker chooses. */
function machOComplaint(bytes: Bytes): string | undefined {
  const magic = bytes.at(0, 4)?.getUint32(0);
  return magic === 0xcffaedfe || magic === 0xcafebabe || magic === 0xcafebabf
    ? undefined
    : "a file that is not 64-bit Mach-O";
}

function peComplaint(bytes: Bytes): string | undefined {
  const start = bytes.at(0, 64);
  if (start?.getUint16(0) !== 0x4d5a) return "a file that is not PE";
  const header = bytes.at(start.getUint32(60, true), 6);
  if (header?.getUint32(0) !== 0x50450000) return "a file that is not PE";
  const wanted = processors[process.arch]?.pe;
  return wanted === undefined || header.getUint16(4, true) === wanted ? undefined : "a file for another processor";
}

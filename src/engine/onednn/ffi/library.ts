/**
 * Loads oneDNN and declares the functions called. Everything is a `void *` to koffi; handles come back as BigInt.
 * oneDNN 3 describes operations differently: what differs stays in this folder, so that it can follow.
 */
import koffi, { type LibraryHandle } from "koffi";
import { InternalError, UserError } from "../../../core/errors.ts";
import { engineKindCpu, scratchpadModeUser, status, streamInOrder } from "./constants.ts";
import { prototypes } from "./prototypes.ts";

/** A native pointer. */
export type Handle = bigint;
/** Anything koffi passes as a pointer: an address, or an array whose memory the callee reads or fills. */
export type Pointer = Handle | Uint8Array | BigInt64Array | BigUint64Array | Float32Array | null;

const RTLD_NOW_NODELETE = 0x1002;
const LIBRARY = "libdnnl.so.2";
const OPENMP = "libgomp.so.1";
const OLDEST = [2, 6] as const;
const INSTALL_HINT =
  'Install it with "apt-get install libdnnl2" (Debian 12, Ubuntu 22.04 and newer), or ask for the slow reference engine with --engine reference';

type Call = (...parameters: (Pointer | number)[]) => number;

/** oneDNN's functions by our names, and the few of the C library and OpenMP that go with them. */
export type Calls = { readonly [Name in keyof typeof prototypes]: Call } & {
  readonly version: string;
  /** `dnnl_cpu_isa_t` that kernels are generated for. */
  readonly instructionSet: number;
  readonly memorySize: (descriptor: Pointer) => number;
  readonly queryMemory: (primitive: Handle, what: number, index: number) => Handle | null;
  readonly iteratorFetch: (iterator: Handle) => Handle;
  /** Threads of the primitives that the calling thread executes from now on. */
  readonly setThreads: (count: number) => void;
  readonly alignedAllocate: (alignment: number, bytes: number) => Handle | null;
  readonly free: (memory: Handle) => void;
  readonly fill: (memory: Handle, value: number, bytes: number) => Handle;
  /** From native memory into an array (koffi's views are not given back while the process lives). */
  readonly copy: (target: Uint8Array, source: Handle, bytes: number) => Handle;
};

function load(): Calls {
  const libc = koffi.load("libc.so.6");
  const dlopen = libc.func("void *dlopen(const char *file, int mode)");
  // koffi unloads its libraries at exit while OpenMP's threads still spin in them, which crashes; NODELETE pins both.
  dlopen(OPENMP, RTLD_NOW_NODELETE);
  if (dlopen(LIBRARY, RTLD_NOW_NODELETE) === null) {
    throw new UserError("engine-missing", `oneDNN (${LIBRARY}) is not installed`, { hint: INSTALL_HINT });
  }
  const library = koffi.load(LIBRARY);
  const version = checkedVersion(library);
  const declare = (prototype: string): Call => library.func(prototype);
  const names = Object.keys(prototypes) as (keyof typeof prototypes)[];
  const getSize = library.func("size_t dnnl_memory_desc_get_size(void *md)");
  return {
    ...(Object.fromEntries(names.map((name) => [name, declare(prototypes[name])])) as Record<
      (typeof names)[number],
      Call
    >),
    version,
    instructionSet: library.func("int dnnl_get_effective_cpu_isa()")(),
    memorySize: (descriptor) => Number(getSize(descriptor)),
    queryMemory: library.func("void *dnnl_primitive_desc_query_md(void *pd, int what, int index)"),
    iteratorFetch: library.func("void *dnnl_primitive_desc_iterator_fetch(void *iterator)"),
    setThreads: koffi.load(OPENMP).func("void omp_set_num_threads(int count)"),
    alignedAllocate: libc.func("void *aligned_alloc(size_t alignment, size_t bytes)"),
    free: libc.func("void free(void *memory)"),
    fill: libc.func("void *memset(void *memory, int value, size_t bytes)"),
    copy: libc.func("void *memcpy(void *target, void *source, size_t bytes)"),
  };
}

function checkedVersion(library: LibraryHandle): string {
  const layout = koffi.struct({ major: "int", minor: "int", patch: "int", hash: "const char *", runtime: "uint" });
  const { major, minor, patch } = koffi.decode(library.func("dnnl_version", "void *", [])(), layout);
  const version = `${major}.${minor}.${patch}`;
  if (major !== OLDEST[0] || minor < OLDEST[1]) {
    throw new UserError("engine-missing", "this oneDNN is too old or too new", {
      about: LIBRARY,
      expected: `${OLDEST.join(".")} or a newer 2.x`,
      received: version,
      hint: INSTALL_HINT,
    });
  }
  return version;
}

export interface OneDnn {
  readonly calls: Calls;
  readonly engine: Handle;
  readonly stream: Handle;
  /** Attributes with the scratchpad in our hands, so that all primitives share one. */
  readonly attributes: Handle;
}

/** What the library calls the status of a call. */
export function statusName(result: number): string {
  return status[result] ?? `status ${result}`;
}

/** Raises the library's status of a call as an error, unless it is success. */
export function check(result: number, what: string): void {
  if (result !== 0) throw new InternalError(`oneDNN: ${what}: ${statusName(result)}`);
}

/** Calls a function whose first parameter is an out-pointer, and returns what it wrote there. */
export function create(what: string, call: (out: BigUint64Array) => number): Handle {
  const out = new BigUint64Array(1);
  check(call(out), what);
  return out[0] ?? 0n;
}

/** Attributes with nothing but the scratchpad in our hands, so that all primitives of a plan share one. */
export function createAttributes(calls: Calls): Handle {
  const attributes = create("create attributes", (out) => calls.attrCreate(out));
  check(calls.attrSetScratchpad(attributes, scratchpadModeUser), "set the scratchpad mode");
  return attributes;
}

let loaded: OneDnn | undefined;

/** The library, loaded once a process; its engine, stream and attributes live as long as the process. */
export function oneDnn(): OneDnn {
  if (loaded !== undefined) return loaded;
  const calls = load();
  const engine = create("create the engine", (out) => calls.engineCreate(out, engineKindCpu, 0));
  const stream = create("create the stream", (out) => calls.streamCreate(out, engine, streamInOrder));
  loaded = { calls, engine, stream, attributes: createAttributes(calls) };
  return loaded;
}

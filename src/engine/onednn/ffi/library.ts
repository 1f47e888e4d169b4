/** Loads oneDNN and declares its functions. For koffi, all pointers are `void *`; handles are BigInt. */
import koffi, { type LibraryHandle } from "koffi";
import type { Abi, Call, Declare, Handle, OperationCalls, Pointer } from "./abi.ts";
import { abi2, operationCalls2 } from "./abi-2.ts";
import { abi3, operationCalls3 } from "./abi-3.ts";
import { check, create } from "./calls.ts";
import { engineKindCpu, scratchpadModeUser, streamInOrder } from "./constants.ts";
import { type FoundLibrary, locateOneDnn } from "./locate.ts";
import { sharedPrototypes } from "./prototypes.ts";
import { openSystem } from "./system.ts";
import { lacksFunctions, openFailure, wrongVersion } from "./unusable.ts";

/** The oldest supported version of each interface. All later ones are supported too. */
const OLDEST = { 2: 6, 3: 0 } as const;

/** oneDNN's functions by our names, and a few functions of the C library and OpenMP. */
export type Calls = { readonly [Name in keyof typeof sharedPrototypes]: Call } & OperationCalls & {
    readonly memorySize: (descriptor: Pointer) => number;
    readonly queryMemory: (primitive: Handle, what: number, index: number) => Handle | null;
    /** Sets the number of threads of the primitives that the calling thread executes from now on. */
    readonly setThreads: (count: number) => void;
    readonly alignedAllocate: (alignment: number, bytes: number) => Handle | null;
    readonly free: (memory: Handle) => void;
    readonly fill: (memory: Handle, value: number, bytes: number) => Handle;
  };

interface Loaded {
  readonly calls: Calls;
  readonly abi: Abi;
  readonly version: string;
  /** The file that was opened. */
  readonly file: FoundLibrary;
  /** The instruction set for which kernels are generated, a `dnnl_cpu_isa_t`. */
  readonly instructionSet: number;
}

/** Wraps functions of the library, by their C names. Tests use it to count or refuse calls. */
export type Intercept = <Native>(name: string, call: Native) => Native;

const nothing: Intercept = (_name, call) => call;

function load(intercept: Intercept): Loaded {
  const file = locateOneDnn();
  const system = openSystem(file.openFirst);
  if (!system.open(file.path)) throw openFailure(file, system.openError());
  const library = koffi.load(file.path);
  const { major, version } = checkedVersion(file, library);
  const missing = new Set<string>();
  const declareIn =
    (from: LibraryHandle): Declare =>
    <Native>(prototype: string) => {
      const name = /(\w+)\(/.exec(prototype)?.[1] ?? prototype;
      try {
        // koffi does not type the functions that it declares; the caller gives the type.
        return intercept(name, from.func(prototype) as Native);
      } catch {
        missing.add(name);
        return (() => undefined) as Native;
      }
    };
  const declare = declareIn(library);
  const native = declareIn(system.c);
  const names = Object.keys(sharedPrototypes) as (keyof typeof sharedPrototypes)[];
  const shared = Object.fromEntries(names.map((name) => [name, declare(sharedPrototypes[name])])) as Record<
    (typeof names)[number],
    Call
  >;
  const getSize = declare<(descriptor: Pointer) => number | bigint>("size_t dnnl_memory_desc_get_size(void *md)");
  const loadedLibrary: Loaded = {
    abi: major === 2 ? abi2(declare) : abi3(declare),
    calls: {
      ...shared,
      ...(major === 2 ? operationCalls2(declare) : operationCalls3(declare)),
      memorySize: (descriptor) => Number(getSize(descriptor)),
      queryMemory: declare("void *dnnl_primitive_desc_query_md(void *pd, int what, int index)"),
      setThreads: system.setThreads,
      alignedAllocate: native("void *aligned_alloc(size_t alignment, size_t bytes)"),
      free: native("void free(void *memory)"),
      fill: native("void *memset(void *memory, int value, size_t bytes)"),
    },
    version,
    file,
    instructionSet: declare<() => number>("int dnnl_get_effective_cpu_isa()")(),
  };
  if (missing.size > 0) throw lacksFunctions(file, [...missing]);
  return loadedLibrary;
}

function checkedVersion(
  file: FoundLibrary,
  library: LibraryHandle,
): { readonly major: 2 | 3; readonly version: string } {
  let ask: () => unknown;
  try {
    ask = library.func("dnnl_version", "void *", []);
  } catch {
    throw lacksFunctions(file, ["dnnl_version"]);
  }
  const layout = koffi.struct({ major: "int", minor: "int", patch: "int", hash: "const char *", runtime: "uint" });
  const found: { major: number; minor: number; patch: number } = koffi.decode(ask(), layout);
  const { major, minor, patch } = found;
  const version = `${major}.${minor}.${patch}`;
  if ((major === 2 || major === 3) && minor >= OLDEST[major]) return { major, version };
  throw wrongVersion(file, version, `2.${OLDEST[2]} or newer, up to the newest 3.x`);
}

export interface OneDnn extends Loaded {
  readonly engine: Handle;
  readonly stream: Handle;
  /** Attributes with a scratchpad that the caller provides, so that all primitives share one. */
  readonly attributes: Handle;
}

/** Creates attributes with a scratchpad that the caller provides, so that all primitives of a plan share one. */
export function createAttributes(calls: Calls): Handle {
  const attributes = create("create attributes", (out) => calls.attrCreate(out));
  check(calls.attrSetScratchpad(attributes, scratchpadModeUser), "set the scratchpad mode");
  return attributes;
}

let loaded: OneDnn | undefined;

/** The library, loaded once per process. Its engine, stream and attributes live as long as the process. */
export function oneDnn(): OneDnn {
  loaded ??= openOneDnn();
  return loaded;
}

/** Creates the engine, the stream and the attributes of a library. */
export function openOneDnn(intercept: Intercept = nothing): OneDnn {
  const library = load(intercept);
  const { calls } = library;
  const engine = create("create the engine", (out) => calls.engineCreate(out, engineKindCpu, 0));
  const stream = create("create the stream", (out) => calls.streamCreate(out, engine, streamInOrder));
  return { ...library, engine, stream, attributes: createAttributes(calls) };
}

/**
 * Loads MPI and declares the functions that are called. No call blocks: slow operations are started and then tested, so
 * that a process whose peers are lost can still report it and end.
 */
import koffi from "koffi";
import { InternalError, UserError } from "../../core/errors.ts";
import type { AbiName } from "../launch.ts";
import { type Abi, abis, type HandleName } from "./abi.ts";

/** A communicator, type or operation: an address or a number, depending on the binary interface. */
export type MpiHandle = bigint | number;
/** Memory that MPI reads or writes: an address, or an array outside JavaScript's heap. */
export type MpiMemory = bigint | ArrayBufferView<ArrayBuffer>;
export type ElementType = "byte" | "int32" | "float" | "double";

const RTLD_NOW = 0x2;
/** Open MPI's plugins look up its symbols among the global ones. */
const RTLD_GLOBAL = 0x100;
/** Keeps the library loaded: koffi unloads libraries at exit, while MPI's threads still run in them. */
const RTLD_NODELETE = 0x1000;
const THREAD_SERIALIZED = 2;

type Call = (...parameters: (MpiMemory | MpiHandle | null)[]) => number;

export interface Mpi {
  readonly abi: AbiName;
  /** Path or name that the library was loaded from. */
  readonly file: string;
  readonly world: MpiHandle;
  /** Initialises MPI for calls from any thread, one at a time. */
  initialize(): void;
  finalize(): void;
  /** Ends all ranks. It may not return. */
  abort(exitCode: number): void;
  version(): string;
  rank(communicator: MpiHandle): number;
  size(communicator: MpiHandle): number;
  /** Makes another communicator of the same ranks that returns errors to its callers. All ranks must call this. */
  duplicate(communicator: MpiHandle): MpiHandle;
  startSum(communicator: MpiHandle, memory: MpiMemory, count: number, type: ElementType): MpiRequest;
  startBroadcast(communicator: MpiHandle, memory: MpiMemory, count: number, type: ElementType): MpiRequest;
  /** Gathers `count` elements of each rank into `gathered`, in rank order. */
  startGather(
    communicator: MpiHandle,
    memory: MpiMemory,
    gathered: MpiMemory,
    count: number,
    type: ElementType,
  ): MpiRequest;
  /** Blocks this thread for some microseconds. */
  sleep(microseconds: number): void;
}

/** A running operation. Its memory must not move until it is done. */
export interface MpiRequest {
  /**
   * Lets all running operations progress, and returns whether this one is done. Must not be called again after that.
   */
  isDone(): boolean;
}

/**
 * Loads the MPI of `abi`, from `file` if it is given.
 * @throws UserError "engine-missing" if it is not found.
 */
export function loadMpi(abi: AbiName, file: string | undefined = process.env["ESPALIER_MPI_LIBRARY"]): Mpi {
  const table = abis[abi];
  const libc = koffi.load("libc.so.6");
  const dlopen = libc.func("void *dlopen(const char *file, int mode)");
  const dlsym = libc.func("void *dlsym(void *library, const char *name)");
  const candidates = file === undefined ? table.libraries : [file];
  const found = candidates.find((name) => dlopen(name, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE) !== null);
  if (found === undefined) {
    throw new UserError(
      "engine-missing",
      `this process was launched by ${abi}, but the library of ${abi} was not found`,
      {
        expected: candidates.join(" or "),
        hint:
          `Install it on every host (${table.install}), name its file in ESPALIER_MPI_LIBRARY, ` +
          "or name another MPI in ESPALIER_MPI",
      },
    );
  }
  const pinned = dlopen(found, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  const handle = (name: HandleName): MpiHandle => {
    const value = table.handles[name];
    const address = typeof value === "number" ? value : dlsym(pinned, value);
    if (address === null) throw new InternalError(`${found} lacks ${value}`);
    return address;
  };
  return declare(abi, table, found, handle, libc.func("int usleep(uint microseconds)"));
}

function declare(
  abi: AbiName,
  { handleType: H, inPlace, statusIgnore }: Abi,
  file: string,
  handle: (name: HandleName) => MpiHandle,
  usleep: (microseconds: number) => number,
): Mpi {
  const library = koffi.load(file);
  const func = (prototype: string): Call => library.func(prototype);
  const calls = {
    initThread: func("int MPI_Init_thread(void *argc, void *argv, int required, void *provided)"),
    finalize: func("int MPI_Finalize()"),
    abort: func(`int MPI_Abort(${H} comm, int code)`),
    version: func("int MPI_Get_library_version(void *text, void *length)"),
    rank: func(`int MPI_Comm_rank(${H} comm, void *rank)`),
    size: func(`int MPI_Comm_size(${H} comm, void *size)`),
    dup: func(`int MPI_Comm_dup(${H} comm, void *copy)`),
    setErrors: func(`int MPI_Comm_set_errhandler(${H} comm, ${H} handler)`),
    allreduce: func(
      `int MPI_Iallreduce(void *send, void *receive, int count, ${H} type, ${H} op, ${H} comm, void *request)`,
    ),
    broadcast: func(`int MPI_Ibcast(void *memory, int count, ${H} type, int root, ${H} comm, void *request)`),
    gather: func(
      `int MPI_Iallgather(void *send, int count, ${H} type, void *receive, int each, ${H} sameType, ` +
        `${H} comm, void *request)`,
    ),
    test: func("int MPI_Test(void *request, void *flag, void *status)"),
    errorString: func("int MPI_Error_string(int code, void *text, void *length)"),
  };
  const textOf = (call: (text: Uint8Array<ArrayBuffer>, length: Int32Array<ArrayBuffer>) => number): string => {
    const [text, length] = [offHeapBytes(8192), offHeapIntegers()];
    call(text, length);
    return new TextDecoder().decode(text.subarray(0, length[0])).replace(/\0.*$/s, "");
  };
  const check = (result: number, what: string): void => {
    if (result === 0) return;
    const reason = textOf((text, length) => calls.errorString(result, text, length));
    throw new UserError("rank-lost", `MPI could not ${what}: ${reason}`, {
      hint: 'Continue from the last checkpoint with "espalier resume", launched as before',
    });
  };
  const integer = (what: string, call: (out: Int32Array<ArrayBuffer>) => number): number => {
    const out = offHeapIntegers();
    check(call(out), what);
    return out[0] ?? 0;
  };
  /** Starts an operation. A request is a handle too: eight bytes hold either kind. */
  const start = (what: string, call: (request: BigUint64Array<ArrayBuffer>) => number): MpiRequest => {
    const request = new BigUint64Array(new ArrayBuffer(8));
    const flag = offHeapIntegers();
    check(call(request), what);
    return {
      isDone: () => {
        check(calls.test(request, flag, statusIgnore), what);
        return flag[0] !== 0;
      },
    };
  };
  const types = {
    byte: handle("byte"),
    int32: handle("int32"),
    float: handle("float"),
    double: handle("double"),
  } satisfies Record<ElementType, MpiHandle>;
  const sum = handle("sum");
  return {
    abi,
    file,
    world: handle("world"),
    initialize: () => {
      const provided = integer("initialise", (out) => calls.initThread(null, null, THREAD_SERIALIZED, out));
      if (provided >= THREAD_SERIALIZED) return;
      throw new UserError("engine-refused", "this MPI allows calls from its main thread only", {
        about: file,
        expected: "MPI_THREAD_SERIALIZED",
        hint: "Use an MPI that is built with thread support",
      });
    },
    finalize: () => check(calls.finalize(), "finish"),
    abort: (exitCode) => void calls.abort(handle("world"), exitCode),
    version: () => textOf((text, length) => calls.version(text, length)).split("\n")[0] ?? "",
    rank: (communicator) => integer("get the rank", (out) => calls.rank(communicator, out)),
    size: (communicator) => integer("get the number of ranks", (out) => calls.size(communicator, out)),
    duplicate: (communicator) => {
      const out = new BigUint64Array(new ArrayBuffer(8));
      check(calls.dup(communicator, out), "copy a communicator");
      const copy = H === "int" ? Number(BigInt.asIntN(32, out[0] ?? 0n)) : (out[0] ?? 0n);
      check(calls.setErrors(copy, handle("errorsReturn")), "set its error handler");
      return copy;
    },
    startSum: (communicator, memory, count, type) =>
      start("sum over the ranks", (request) =>
        calls.allreduce(inPlace, memory, count, types[type], sum, communicator, request),
      ),
    startBroadcast: (communicator, memory, count, type) =>
      start("receive from rank 0", (request) => calls.broadcast(memory, count, types[type], 0, communicator, request)),
    startGather: (communicator, memory, gathered, count, type) =>
      start("gather from the ranks", (request) =>
        calls.gather(memory, count, types[type], gathered, count, types[type], communicator, request),
      ),
    sleep: (microseconds) => void usleep(microseconds),
  };
}

/** Small typed arrays lie in JavaScript's heap, where they may move, unless they have an explicit buffer. */
function offHeapIntegers(): Int32Array<ArrayBuffer> {
  return new Int32Array(new ArrayBuffer(4));
}

function offHeapBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length));
}

/** The C library and the OpenMP runtime of this system. */
import koffi, { type LibraryHandle } from "koffi";

interface SystemNames {
  readonly c: string;
  /** Runtimes that builds of oneDNN use, the usual one first. */
  readonly openmp: readonly string[];
  /** `dlopen`'s RTLD_NOW with RTLD_NODELETE. */
  readonly pinned: number;
}

const names: Readonly<Partial<Record<NodeJS.Platform, SystemNames>>> = {
  linux: { c: "libc.so.6", openmp: ["libgomp.so.1", "libomp.so.5", "libiomp5.so"], pinned: 0x1002 },
  darwin: { c: "libSystem.B.dylib", openmp: ["libomp.dylib", "libiomp5.dylib"], pinned: 0x82 },
};

/**
 * Threads that wait for work spin, for others cost more to wake than to keep, but not for long: beside other processes
 * they would take the processor from what they wait for. Each runtime reads its variable once, when it is loaded.
 */
const spinning = {
  /** libgomp: rounds of a loop of some nanoseconds each. Its own default is 300,000, or for ever. */
  GOMP_SPINCOUNT: "1000",
  /** LLVM's and Intel's: milliseconds. Their own default is 200. */
  KMP_BLOCKTIME: "1",
} as const;

export interface System {
  readonly c: LibraryHandle;
  /**
   * Opens a library for as long as the process lives: koffi unloads its libraries at exit, while OpenMP's threads run
   * in them.
   */
  open(path: string): boolean;
  /** Why the last `open` failed. */
  openError(): string;
  /** Sets the number of threads of the primitives that the calling thread executes from now on. */
  readonly setThreads: (count: number) => void;
}

/**
 * Loads the C library, and OpenMP with short waits unless the user's environment says how long they are; before OpenMP
 * the libraries in `first`, among which it may be.
 */
export function openSystem(first: readonly string[]): System {
  const own = names[process.platform] ?? (names.linux as SystemNames);
  const c = koffi.load(own.c);
  const setEnvironment = c.func("int setenv(const char *name, const char *value, int overwrite)");
  // `process.env` of a worker thread is a copy that native libraries do not see.
  if (process.env["OMP_WAIT_POLICY"] === undefined) {
    for (const [name, value] of Object.entries(spinning)) setEnvironment(name, value, 0);
  }
  const dlopen = c.func("void *dlopen(const char *file, int mode)");
  const dlerror = c.func("const char *dlerror()");
  const open = (path: string): boolean => dlopen(path, own.pinned) !== null;
  for (const path of first) open(path);
  const runtime = own.openmp.find(open);
  return {
    c,
    open,
    openError: () => dlerror() ?? "the linker gives no reason",
    setThreads: runtime === undefined ? () => {} : koffi.load(runtime).func("void omp_set_num_threads(int count)"),
  };
}

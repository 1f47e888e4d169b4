/** Loads the C library and the OpenMP runtime of this system. */
import koffi, { type LibraryHandle } from "koffi";

interface SystemNames {
  readonly c: string;
  /** OpenMP runtimes that builds of oneDNN use, the most common first. */
  readonly openmp: readonly string[];
  /** `dlopen`'s RTLD_NOW with RTLD_NODELETE. */
  readonly pinned: number;
}

const names: Readonly<Partial<Record<NodeJS.Platform, SystemNames>>> = {
  linux: { c: "libc.so.6", openmp: ["libgomp.so.1", "libomp.so.5", "libiomp5.so"], pinned: 0x1002 },
  darwin: { c: "libSystem.B.dylib", openmp: ["libomp.dylib", "libiomp5.dylib"], pinned: 0x82 },
};

/**
 * How long idle threads spin before they sleep. Waking a sleeping thread takes longer than keeping it spinning. But
 * beside other processes, spinning threads take the processor from the work that they wait for, so the time is short.
 * Each runtime reads its variable once, when it is loaded.
 */
const spinning = {
  /** libgomp: iterations of a loop of some nanoseconds. Its own default is 300,000, or infinite. */
  GOMP_SPINCOUNT: "1000",
  /** LLVM's and Intel's runtimes: milliseconds. Their own default is 200. */
  KMP_BLOCKTIME: "1",
} as const;

export interface System {
  readonly c: LibraryHandle;
  /**
   * Opens a library until the process ends. koffi would unload it at exit, while OpenMP's threads still run code in it.
   */
  open(path: string): boolean;
  /** Why the last `open` failed. */
  openError(): string;
  /** Sets the number of threads of the primitives that the calling thread executes from now on. */
  readonly setThreads: (count: number) => void;
}

/**
 * Loads the C library, then the libraries in `first`, then OpenMP, which may be one of them. OpenMP's threads spin only
 * briefly unless the user's environment says otherwise.
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
    openError: () => dlerror() ?? "the linker gave no reason",
    setThreads: runtime === undefined ? () => {} : koffi.load(runtime).func("void omp_set_num_threads(int count)"),
  };
}

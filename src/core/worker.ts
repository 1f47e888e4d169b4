/** Starts worker threads from the sources (tests, development) as well as from the built package. */
import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * Starts the module `name` (no extension) next to `base` (an `import.meta.url`) in a worker thread. Sources run through
 * tsx, which Node 20 needs to load TypeScript; the built package runs as it is.
 */
export function spawnWorker(base: string, name: string, options: WorkerOptions = {}): Worker {
  const isSource = new URL(base).pathname.endsWith(".ts");
  const file = new URL(`${name}${isSource ? ".ts" : ".js"}`, base);
  return new Worker(file, { ...options, execArgv: isSource ? ["--import", "tsx"] : [] });
}

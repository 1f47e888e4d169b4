/** Starts worker threads from the sources (tests, development) as well as from the built package. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * Starts the module `name` (no extension) next to `base` (an `import.meta.url`) in a worker thread. Sources run through
 * tsx, which Node 20 needs to load TypeScript; the built package runs as it is.
 */
export function spawnWorker(base: string, name: string, options: WorkerOptions = {}): Worker {
  const isSource = new URL(base).pathname.endsWith(".ts");
  const file = new URL(`${name}${isSource ? ".ts" : ".js"}`, base);
  return new Worker(file, { ...options, execArgv: isSource ? ["--import", typescriptLoader(base)] : [] });
}

/**
 * A module that makes a thread read TypeScript. Node 20 takes `--import tsx` for the main thread only: in a worker tsx
 * must be registered by a call. It is found from `base`, for its bare name would be looked for from the working
 * directory.
 */
function typescriptLoader(base: string): string {
  const tsx = new URL("esm/api/index.mjs", pathToFileURL(createRequire(base).resolve("tsx")));
  return `data:text/javascript,${encodeURIComponent(`import { register } from ${JSON.stringify(tsx.href)}; register();`)}`;
}

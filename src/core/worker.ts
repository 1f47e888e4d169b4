/** Starts worker threads, both from TypeScript sources (tests, development) and from the built package. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * Starts the module `name` (without extension) next to `base` (an `import.meta.url`) in a worker thread. TypeScript
 * sources run through tsx, because Node 20 cannot load TypeScript.
 */
export function spawnWorker(base: string, name: string, options: WorkerOptions = {}): Worker {
  const isSource = new URL(base).pathname.endsWith(".ts");
  const file = new URL(`${name}${isSource ? ".ts" : ".js"}`, base);
  return new Worker(file, { ...options, execArgv: isSource ? ["--import", typescriptLoader(base)] : [] });
}

/**
 * The address of a module that lets a worker thread load TypeScript. Node 20 applies `--import tsx` only to the main
 * thread, so the module registers tsx by a call. The path of tsx is resolved from `base`: a bare name would be resolved
 * from the working directory.
 */
function typescriptLoader(base: string): string {
  const tsx = new URL("esm/api/index.mjs", pathToFileURL(createRequire(base).resolve("tsx")));
  const code = `import { register } from ${JSON.stringify(tsx.href)}; register();`;
  return `data:text/javascript,${encodeURIComponent(code)}`;
}

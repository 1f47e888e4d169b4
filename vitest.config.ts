import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // The examples import the package by its name.
  resolve: {
    alias: [
      { find: /^espalier$/, replacement: fileURLToPath(new URL("src/index.ts", import.meta.url)) },
      { find: /^espalier\/(\w+)$/, replacement: fileURLToPath(new URL("src/entries/$1.ts", import.meta.url)) },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    // Processes, not threads: oneDNN's OpenMP pool belongs to a process. One at a time would be slow, two fill two
    // cores.
    pool: "forks",
    maxWorkers: 2,
    // Kernels timed while tests run side by side are no choices to keep.
    env: { ESPALIER_KERNEL_CACHE: fileURLToPath(new URL("node_modules/.cache/espalier-kernels", import.meta.url)) },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // A page on a busy machine takes longer than the usual second.
    expect: { poll: { timeout: 30_000 } },
  },
});

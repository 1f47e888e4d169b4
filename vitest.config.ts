import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // The examples import the package by its name.
  resolve: { alias: { espalier: fileURLToPath(new URL("src/index.ts", import.meta.url)) } },
  test: {
    include: ["test/**/*.test.ts"],
    // Processes, not threads: oneDNN's OpenMP pool belongs to a process. One at a time would be slow, two fill two cores.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
  },
});

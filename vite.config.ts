/** Builds the dashboard's page into dist/, where its server finds it. */
import { copyFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";
import { styleSheet } from "./src/report/style.ts";

const REPORT_STYLE = "virtual:report.css";

/** The report's style sheet, which the page shares with it. */
function reportStyle(): Plugin {
  return {
    name: "report-style",
    resolveId: (id) => (id === REPORT_STYLE ? `\0${REPORT_STYLE}` : undefined),
    load: (id) => (id === `\0${REPORT_STYLE}` ? styleSheet : undefined),
  };
}

/** What `try-worker.ts` loads of ONNX Runtime: a script a backend, and what that loads in turn. */
const runtimeFiles = [
  ...["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"],
  ...["ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm"],
];

/** ONNX Runtime's own files beside the page, as they are. */
function runtime(): Plugin {
  const from = dirname(createRequire(import.meta.url).resolve("onnxruntime-web/wasm"));
  return {
    name: "onnx-runtime",
    writeBundle({ dir = "" }) {
      mkdirSync(join(dir, "ort"), { recursive: true });
      for (const name of runtimeFiles) copyFileSync(join(from, name), join(dir, "ort", name));
    },
  };
}

export default defineConfig({
  root: fileURLToPath(new URL("src/dashboard/client", import.meta.url)),
  plugins: [reportStyle(), runtime()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  // The page's policy allows no data: scripts, and small files are no burden on loopback.
  build: {
    outDir: fileURLToPath(new URL("dist/dashboard/page", import.meta.url)),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});

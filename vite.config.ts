/** Builds the dashboard's page into dist/, where its server finds it. */
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

export default defineConfig({
  root: fileURLToPath(new URL("src/dashboard/client", import.meta.url)),
  plugins: [reportStyle()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  // The page's policy allows no data: scripts, and small files are no burden on loopback.
  build: {
    outDir: fileURLToPath(new URL("dist/dashboard/page", import.meta.url)),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});

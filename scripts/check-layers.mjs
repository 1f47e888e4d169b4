/**
 * `npm run check:layers [folder]`: a folder of src/ imports only from itself and from those above it, and no file
 * imports itself by way of others. Type imports count: a type from a lower layer is a dependency on it all the same.
 *
 * Reads the import statements with a regular expression, which the one formatting of this repository allows.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The order in which a network passes through the folders. */
const layers = [
  "core",
  "graph",
  "latency",
  "models",
  "formats",
  "selection",
  "pruning",
  "autodiff",
  "distributed",
  "engine",
  "data",
  "evaluation",
  "quantization",
  "deployment",
  "training",
  "report",
  "experiments",
  "dashboard",
  "cli",
];

const importPattern = /^(?:import|export)\s[^;]*?from "(\.[^"]+)"|^import "(\.[^"]+)"|\bimport\("(\.[^"]+)"\)/gm;

/** Absolute path of each source file → absolute paths of what it imports. @param {string} folder */
function readImports(folder) {
  const files = readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => /\.tsx?$/.test(path));
  return new Map(
    files.map((path) => {
      const text = readFileSync(path, "utf8");
      const found = [...text.matchAll(importPattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
      return [path, found.filter((target) => /\.tsx?$/.test(target)).map((target) => resolve(dirname(path), target))];
    }),
  );
}

/** Imports against the order of layers. `src/index.ts` and `src/entries/` stand below all of them. */
function layerViolations(imports, folder) {
  const layerOf = (path) => {
    const parts = relative(folder, path).split(/[\\/]/);
    return parts.length === 1 || parts[0] === "entries" ? layers.length : layers.indexOf(parts[0] ?? "");
  };
  const complaints = [];
  for (const [path, targets] of imports) {
    if (layerOf(path) < 0)
      complaints.push(`${relative(folder, path)} is in a folder without a place in the order of layers`);
    for (const target of targets) {
      if (!imports.has(target))
        complaints.push(`${relative(folder, path)} imports ${relative(folder, target)}, which is not there`);
      else if (layerOf(target) > layerOf(path)) {
        complaints.push(`${relative(folder, path)} imports ${relative(folder, target)}, which is further down`);
      }
    }
  }
  return complaints;
}

/** Each circle of imports once, found by depth-first search. */
function circles(imports, folder) {
  const state = new Map();
  const complaints = [];
  const visit = (path, trail) => {
    if (state.get(path) === "done") return;
    if (state.get(path) === "open") {
      const circle = [...trail.slice(trail.indexOf(path)), path];
      complaints.push(`circular: ${circle.map((step) => relative(folder, step)).join(" → ")}`);
      return;
    }
    state.set(path, "open");
    for (const target of imports.get(path) ?? []) visit(target, [...trail, path]);
    state.set(path, "done");
  };
  for (const path of imports.keys()) visit(path, []);
  return complaints;
}

const folder = resolve(process.argv[2] ?? join(dirname(dirname(fileURLToPath(import.meta.url))), "src"));
const imports = readImports(folder);
const complaints = [...layerViolations(imports, folder), ...circles(imports, folder)];
for (const complaint of complaints) console.error(complaint);
if (complaints.length === 0) console.log(`imports of ${imports.size} files are in order`);
process.exitCode = complaints.length === 0 ? 0 : 1;

/**
 * The packages, filled from dist/: `espalier` is the library, `@espalier/cli` the command line and the page. Both are
 * built from the one source tree; an import from a file of the second into the first becomes one by the library's name.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { root } from "./shell.mjs";

/** Folders of dist/ that are the command line's; everything else is the library's. */
const commandLine = ["cli", "dashboard"];

/** What stands between the quotes of a static or a dynamic import. */
const importPattern = /(\bfrom\s*|\bimport\s*\(?\s*)"([@\w./:-]+)"/g;

export const packageFolders = {
  library: join(root, "packages", "espalier"),
  commandLine: join(root, "packages", "cli"),
};

/** @param {string} path by slashes, below dist/ */
const isCommandLine = (path) => commandLine.includes(path.split("/")[0] ?? "");

/** Paths of all files in `folder`, by slashes. @param {string} folder */
function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll("\\", "/"),
    );
}

/** `text` of the compiled file `path`, with imports out of the command line's folders by the library's name. */
function withPackageImports(text, path) {
  return text.replace(importPattern, (whole, start, target) => {
    if (!target.startsWith(".")) return whole;
    const resolved = posix.join(posix.dirname(path), target);
    return isCommandLine(resolved) ? whole : `${start}"espalier/internal/${resolved.replace(/\.js$/, "")}"`;
  });
}

/** Puts what `npm run build` made, and what else belongs into a package, into packages/. */
export function fillPackages() {
  const dist = join(root, "dist");
  for (const folder of Object.values(packageFolders)) {
    rmSync(join(folder, "dist"), { recursive: true, force: true });
    cpSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  }
  for (const part of ["docs", "recipes", "README.md"]) {
    const to = join(packageFolders.library, part);
    rmSync(to, { recursive: true, force: true });
    cpSync(join(root, part), to, { recursive: true });
  }
  for (const path of filesIn(dist)) {
    const isPage = path.startsWith("dashboard/page/");
    // Maps would lead to sources that no package has; a command has no types.
    if (path.endsWith(".map") || (isCommandLine(path) && path.endsWith(".d.ts"))) continue;
    const to = join(isCommandLine(path) ? packageFolders.commandLine : packageFolders.library, "dist", path);
    mkdirSync(dirname(to), { recursive: true });
    if (isPage || !/\.(js|d\.ts)$/.test(path)) cpSync(join(dist, path), to);
    else {
      const text = readFileSync(join(dist, path), "utf8").replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "\n");
      writeFileSync(to, isCommandLine(path) ? withPackageImports(text, path) : text);
    }
  }
}

/** Names of the packages that the files of a filled package import, Node's own aside. @param {string} folder */
export function importedPackages(folder) {
  const names = new Set();
  for (const path of filesIn(join(folder, "dist"))) {
    if (!/\.(js|d\.ts)$/.test(path) || path.startsWith("dashboard/page/")) continue;
    const text = readFileSync(join(folder, "dist", path), "utf8");
    for (const [, , target = ""] of text.matchAll(importPattern)) {
      if (target.startsWith(".") || target.startsWith("node:")) continue;
      names.add(
        target
          .split("/")
          .slice(0, target.startsWith("@") ? 2 : 1)
          .join("/"),
      );
    }
  }
  return names;
}

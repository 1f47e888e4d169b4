/**
 * `npm run check:package`, after a build: each package depends on exactly what its files import, and all have the
 * repository's version.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { importedPackages, packageFolders } from "./packages.mjs";
import { root } from "./shell.mjs";

const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
const { version } = manifestOf(root);
const complaints = [];
for (const folder of Object.values(packageFolders)) {
  const manifest = manifestOf(folder);
  const { name, dependencies, peerDependencies = {} } = manifest;
  const declared = { ...dependencies, ...peerDependencies };
  const imported = importedPackages(folder);
  for (const one of imported) {
    if (one !== name && declared[one] === undefined)
      complaints.push(`${name} imports ${one}, and does not depend on it`);
  }
  for (const one of Object.keys(declared)) {
    if (!imported.has(one)) complaints.push(`${name} depends on ${one}, and does not import it`);
  }
  if (manifest.version !== version)
    complaints.push(`${name} has version ${manifest.version}, the repository ${version}`);
  const library = dependencies["espalier"];
  if (library !== undefined && library !== version)
    complaints.push(`${name} depends on espalier ${library}, not ${version}`);
}
for (const complaint of complaints) console.error(complaint);
process.exitCode = complaints.length === 0 ? 0 : 1;

/**
 * `npm run check:columns`: no line of tracked code has more than 120 columns. Columns are characters, not bytes. The
 * formatter leaves comments and strings as they are, so that it cannot promise this. Generated code is exempt.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

const MOST = 120;

const files = execFileSync("git", ["ls-files", "-z", "*.ts", "*.tsx", "*.mjs", "*.sh", ".ci/run"], { encoding: "utf8" })
  .split("\0")
  .filter((path) => path !== "" && !/^packages\/[^/]+\/dist\//.test(path) && existsSync(path));

/** Lines of `path` that are too long, as `path:line: columns`. @param {string} path */
function longLines(path) {
  const lines = readFileSync(path, "utf8").split("\n");
  if (lines.slice(0, 5).some((line) => /\bgenerated (by|from)\b/i.test(line))) return [];
  return lines.flatMap((line, index) => {
    const columns = [...line].length;
    return columns > MOST ? [`${path}:${index + 1}: ${columns} columns`] : [];
  });
}

const complaints = files.flatMap(longLines);
for (const complaint of complaints) console.error(complaint);
if (complaints.length === 0) console.log(`no line of ${files.length} files has more than ${MOST} columns`);
process.exitCode = complaints.length === 0 ? 0 : 1;

/**
 * Gets a fresh clone ready: Node's version, the npm packages, the oneDNN library, the build. Plain JavaScript with no
 * imports beyond Node's own, since it runs before anything is installed. Shared by `npm run demo` and `npm test`.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { requireOneDnn } from "./onednn.mjs";
import { fillPackages } from "./packages.mjs";
import { announce, apt, hasApt, isRoot, root, runQuietly, SetupError } from "./shell.mjs";

/** npm as it was started (`npm run` tells where it is), else the one on the path. */
function runNpm(args) {
  const script = process.env.npm_execpath;
  const viaNode = script !== undefined && /\.c?js$/.test(script) && existsSync(script);
  return viaNode ? runQuietly(process.execPath, [script, ...args]) : runQuietly("npm", args);
}

const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

/** Throws unless this Node is as new as package.json's `engines` asks. */
export function requireNode() {
  const wanted = readJson(join(root, "package.json")).engines.node.replace(/[^\d.]/g, "");
  const parts = (version) => version.split(".").map(Number);
  const [major, minor] = parts(process.versions.node);
  const [wantedMajor, wantedMinor] = parts(wanted);
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
    throw new SetupError(
      `Node ${process.versions.node} is too old: Espalier needs ${wanted} or newer`,
      "Install a newer Node.js (nodejs.org, or your system's packages) and run this again.",
    );
  }
}

/**
 * Whether node_modules holds exactly what package-lock.json names. npm writes what it installed to
 * node_modules/.package-lock.json; packages for other platforms are optional and may be absent.
 */
function packagesAreFresh() {
  const installedPath = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installedPath)) return false;
  const wanted = readJson(join(root, "package-lock.json")).packages;
  const installed = readJson(installedPath).packages;
  const same = (a, b) => a !== undefined && b !== undefined && a.version === b.version && a.integrity === b.integrity;
  const present = Object.entries(wanted).every(
    ([path, entry]) => path === "" || same(entry, installed[path]) || (entry.optional && installed[path] === undefined),
  );
  return present && Object.keys(installed).every((path) => wanted[path] !== undefined && existsSync(join(root, path)));
}

/** Installs the npm packages of the lockfile, unless they are there already. */
export function requirePackages() {
  if (packagesAreFresh()) return;
  announce("installing npm packages (npm ci)");
  const { ok, output } = runNpm(["ci", "--loglevel=error", "--no-progress"]);
  if (ok) return;
  const offline = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|ENETUNREACH/.test(output);
  const full = /ENOSPC/.test(output);
  throw new SetupError(
    "npm ci failed",
    offline
      ? "The npm registry cannot be reached. Check the network (or `npm config get registry`) and run this again."
      : full
        ? "The disk is full. Free about 1 GB and run this again."
        : "npm's own message is above; once mended, run this again.",
    output,
  );
}

// iproute2: hosts are made of network namespaces. Open MPI's own library comes with it, under each release's name.
const MPI = { what: "MPI", tests: "several ranks", command: "mpirun", packages: ["openmpi-bin", "iproute2"] };
const CHROMIUM = { what: "Chromium", tests: "the page", command: "chromium", packages: ["chromium"] };

/** Installs what only some tests need, where that can be done; they say that they are skipped elsewhere. */
function offer({ what, tests, command, packages }) {
  if (runQuietly(command, ["--version"]).ok) return;
  const suggested = `apt-get install ${packages.join(" ")}`;
  const byHand = `Without ${what} the tests of ${tests} are skipped. To run them: ${suggested}`;
  if (!isRoot || !hasApt()) {
    announce(byHand);
    return;
  }
  announce(`installing ${what} for the tests (apt-get install ${packages.join(" ")})`);
  const install = () => apt("install", "-y", "--no-install-recommends", ...packages).ok;
  if (install()) return;
  apt("update");
  if (!install()) announce(byHand);
}

/** MPI and a browser, which only tests need. */
export function offerForTests() {
  for (const one of [MPI, CHROMIUM]) offer(one);
}

/**
 * Compiles src/ to dist/, builds the page, from an empty dist/ so that nothing stale is left in it, and fills the
 * packages.
 */
export function build() {
  rmSync(join(root, "dist"), { recursive: true, force: true });
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const { ok, output } = runQuietly(process.execPath, [compiler, "-p", "tsconfig.build.json"]);
  if (!ok) throw new SetupError("the build failed", "The compiler's messages are above.", output);
  const page = runQuietly(process.execPath, [join(root, "node_modules", "vite", "bin", "vite.js"), "build"]);
  if (!page.ok) throw new SetupError("the page could not be built", "Vite's messages are above.", page.output);
  fillPackages();
}

/** Everything that has to be there before Espalier runs from a clone. */
export function setUp() {
  requireNode();
  requirePackages();
  requireOneDnn();
}

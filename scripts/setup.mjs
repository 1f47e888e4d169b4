/**
 * Gets a fresh clone ready: Node's version, the npm packages, the oneDNN library, the build. Plain JavaScript with no
 * imports beyond Node's own, since it runs before anything is installed. Shared by `npm run demo` and `npm test`.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's folder; every script works from here, wherever it was called from. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What the user has to mend: printed without a stack. */
export class SetupError extends Error {
  /** @param {string} message @param {string} hint @param {string} [output] what the failed command printed */
  constructor(message, hint, output = "") {
    super(message);
    this.hint = hint;
    this.output = output;
  }
}

const colour = process.stdout.isTTY && process.env.NO_COLOR === undefined && process.env.TERM !== "dumb";
/** @param {number} code @param {string} text */
const paint = (code, text) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);

/** Prints one line of progress. @param {string} text */
export function say(text) {
  console.log(`${paint(32, "✓")} ${text}`);
}

/** Prints what is being waited for. @param {string} text */
export function announce(text) {
  console.log(paint(2, `… ${text}`));
}

/**
 * Runs `main`; a `SetupError` ends the process with exit code 2, its message and what to do next.
 * @param {() => Promise<number>} main resolves to the exit code
 */
export async function runScript(main) {
  process.chdir(root);
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    if (error.output.trim() !== "") console.error(error.output.trimEnd());
    console.error(`${paint(31, "✗")} ${error.message}`);
    console.error(`  ${error.hint}`);
    process.exitCode = 2;
  }
}

/** Runs a command on this terminal; resolves to its exit code. Ctrl-C is left to the command. */
export function runAttached(command, args) {
  return new Promise((resolve, reject) => {
    const ignore = () => {};
    process.on("SIGINT", ignore);
    const child = spawn(command, args, { stdio: "inherit", cwd: root });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.off("SIGINT", ignore);
      resolve(code ?? (signal === "SIGINT" ? 130 : 1));
    });
  });
}

/** Runs a command to its end with its output kept back. */
function runQuietly(command, args, environment = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
    maxBuffer: 64 * 1024 * 1024,
  });
  return { ok: result.status === 0, output: `${result.stdout ?? ""}${result.stderr ?? ""}` };
}

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

/** Files that can be oneDNN: what the dynamic linker knows, and LD_LIBRARY_PATH. */
function findOneDnn() {
  for (const folder of (process.env.LD_LIBRARY_PATH ?? "").split(":").filter((folder) => folder !== "")) {
    const name = existsSync(folder) ? readdirSync(folder).find((file) => /^libdnnl\.so\.2/.test(file)) : undefined;
    if (name !== undefined) return join(folder, name);
  }
  for (const ldconfig of ["/sbin/ldconfig", "/usr/sbin/ldconfig"]) {
    if (!existsSync(ldconfig)) continue;
    const match = /libdnnl\.so\.2 .*=> (\S+)/.exec(runQuietly(ldconfig, ["-p"]).output);
    if (match !== null) return match[1];
  }
  return undefined;
}

const APT_PACKAGE = "libdnnl2";

/** Installs oneDNN with apt-get when it is missing and we are root on Debian; otherwise says what to type. */
export function requireOneDnn() {
  if (findOneDnn() !== undefined) return;
  const hasApt = runQuietly("apt-get", ["--version"]).ok;
  if (!hasApt) {
    throw new SetupError(
      "oneDNN 2 (libdnnl.so.2) is not installed, and this is no Debian system",
      "Install oneDNN 2.6 or a later 2.x from your system's packages, or put its folder into LD_LIBRARY_PATH.",
    );
  }
  if (process.getuid?.() !== 0) {
    throw new SetupError(
      "oneDNN (libdnnl.so.2) is not installed",
      `Type: sudo apt-get update && sudo apt-get install -y ${APT_PACKAGE}`,
    );
  }
  announce(`installing oneDNN (apt-get install ${APT_PACKAGE})`);
  const quiet = { DEBIAN_FRONTEND: "noninteractive" };
  const install = () => runQuietly("apt-get", ["install", "-y", "--no-install-recommends", APT_PACKAGE], quiet);
  let attempt = install();
  if (!attempt.ok) {
    runQuietly("apt-get", ["update"], quiet);
    attempt = install();
  }
  if (!attempt.ok || findOneDnn() === undefined) {
    throw new SetupError(
      `apt-get could not install ${APT_PACKAGE}`,
      `Its message is above. Once mended, type: apt-get update && apt-get install -y ${APT_PACKAGE}`,
      attempt.output,
    );
  }
}

// iproute2: hosts are made of network namespaces.
const MPI = {
  what: "MPI",
  tests: "several ranks",
  command: "mpirun",
  packages: ["openmpi-bin", "libopenmpi3", "iproute2"],
};
const CHROMIUM = { what: "Chromium", tests: "the page", command: "chromium", packages: ["chromium"] };

/** Installs what only some tests need, where that can be done; they say that they are skipped elsewhere. */
function offer({ what, tests, command, packages }) {
  if (runQuietly(command, ["--version"]).ok) return;
  const byHand = `Without ${what} the tests of ${tests} are skipped. To run them: apt-get install ${packages.join(" ")}`;
  if (process.getuid?.() !== 0 || !runQuietly("apt-get", ["--version"]).ok) {
    announce(byHand);
    return;
  }
  announce(`installing ${what} for the tests (apt-get install ${packages.join(" ")})`);
  const install = ["install", "-y", "--no-install-recommends", ...packages];
  const quiet = { DEBIAN_FRONTEND: "noninteractive" };
  if (runQuietly("apt-get", install, quiet).ok) return;
  runQuietly("apt-get", ["update"], quiet);
  if (!runQuietly("apt-get", install, quiet).ok) announce(byHand);
}

/** MPI and a browser, which only tests need. */
export function offerForTests() {
  for (const one of [MPI, CHROMIUM]) offer(one);
}

/** Compiles src/ to dist/ and builds the dashboard's page, from an empty dist/ so that nothing stale is left in it. */
export function build() {
  rmSync(join(root, "dist"), { recursive: true, force: true });
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const { ok, output } = runQuietly(process.execPath, [compiler, "-p", "tsconfig.build.json"]);
  if (!ok) throw new SetupError("the build failed", "The compiler's messages are above.", output);
  const page = runQuietly(process.execPath, [join(root, "node_modules", "vite", "bin", "vite.js"), "build"]);
  if (!page.ok) throw new SetupError("the page could not be built", "Vite's messages are above.", page.output);
}

/** Everything that has to be there before Espalier runs from a clone. */
export function setUp() {
  requireNode();
  requirePackages();
  requireOneDnn();
}

/** A child process under watch: what it leaves outside the folders it was given, and whom it speaks to. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll } from "vitest";

const temporaryFolders: string[] = [];
afterAll(() => {
  for (const folder of temporaryFolders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `espalier-${name}-`));
  temporaryFolders.push(folder);
  return folder;
}

/** Runs TypeScript in a child, and keeps nothing of it in the temporary folder. */
export const typescript: readonly string[] = ["--import", resolve("node_modules/tsx/dist/loader.mjs")];

export interface Watched {
  readonly exitCode: number;
  readonly output: string;
  /**
   * Files and empty folders under the child's home, temporary and working folder, relative to the folder of all three.
   */
  readonly files: readonly string[];
  /** Addresses of the internet that its sockets were bound to or connected with, as the kernel writes them. */
  readonly addresses: readonly string[];
}

const hasStrace = spawnSync("strace", ["-V"]).status === 0;

/**
 * Runs `node <arguments>` with a new home, temporary and working folder in `place`. Sockets are looked for every few
 * milliseconds; where there is strace, each call that opens, connects or sends is seen.
 */
export async function watch(arguments_: readonly string[], place: string = newPlace()): Promise<Watched> {
  const log = join(temporaryFolder("strace"), "calls");
  const tracer = ["strace", "--seccomp-bpf", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", log];
  const [program = "node", ...own] = [...(hasStrace ? tracer : []), process.execPath, ...arguments_];
  const { PATH, ESPALIER_KERNEL_CACHE } = process.env;
  const child = spawn(program, own, {
    cwd: join(place, "work"),
    env: {
      PATH,
      ESPALIER_KERNEL_CACHE,
      ...{ HOME: join(place, "home"), TMPDIR: join(place, "temporary"), TSX_DISABLE_CACHE: "1", NO_COLOR: "1" },
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text: Buffer) => (output += text.toString()));
  let exitCode: number | undefined;
  child.once("close", (code) => {
    exitCode = code ?? -1;
  });
  const addresses = new Set<string>();
  while (exitCode === undefined) {
    for (const address of socketsOf(child.pid ?? 0)) addresses.add(address);
    await setTimeout(3);
  }
  if (hasStrace) {
    for (const [, address = ""] of readFileSync(log, "utf8").matchAll(/(sa_family=AF_INET6?[^}]*)/g)) {
      addresses.add(address);
    }
  }
  return { exitCode, output, files: filesUnder(place), addresses: [...addresses] };
}

/** A folder with the three that a child is given. */
export function newPlace(): string {
  const place = temporaryFolder("watched");
  for (const name of ["home", "temporary", "work"]) mkdirSync(join(place, name));
  return place;
}

function filesUnder(place: string): string[] {
  const found: string[] = [];
  const visit = (folder: string): void => {
    const entries = readdirSync(folder, { withFileTypes: true });
    if (entries.length === 0) found.push(`${relative(place, folder)}/`);
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else found.push(relative(place, path));
    }
  };
  visit(place);
  return found.sort();
}

/** Remote and local addresses of the internet sockets that `pid` and its children hold now; without /proc, none. */
function socketsOf(pid: number): string[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
    return [...ownSocketsOf(pid), ...children.flatMap(socketsOf)];
  } catch {
    return [];
  }
}

function ownSocketsOf(pid: number): string[] {
  const inodes = new Set<string>();
  for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
    const [, inode] = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${descriptor}`)) ?? [];
    if (inode !== undefined) inodes.add(inode);
  }
  if (inodes.size === 0) return [];
  return ["tcp", "tcp6", "udp", "udp6"].flatMap((kind) =>
    readFileSync(`/proc/${pid}/net/${kind}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => inodes.has(columns[9] ?? ""))
      .map((columns) => `${kind} ${columns[1]} ${columns[2]}`),
  );
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/**
 * Output that cannot be written, limits of the system, a terminal that closes, a process that was stopped for too long.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Launcher } from "../../src/dashboard/launcher.ts";
import { espalier, execute, start, tinyWorkplace } from "./support.ts";

let workplace: string;
let data: string;

beforeAll(async () => {
  workplace = await tinyWorkplace();
  data = join(workplace, (await readdir(workplace)).find((name) => name.startsWith("data-")) ?? "");
});
afterAll(() => rm(workplace, { recursive: true, force: true }));

function training(out: string, ...more: readonly string[]): readonly string[] {
  return [
    ...["train", join(workplace, "tiny.onnx"), "--data", data, "--gamma", "0.01", "--out", out],
    ...["--engine", "reference", "--batch", "16", "--no-latency", ...more],
  ];
}

/** Runs `espalier <arguments>` by a shell, behind `before` and with `after` at its end. */
async function inShell(before: string, arguments_: readonly string[], after: string) {
  const command = [
    process.execPath,
    "--import",
    resolve("node_modules/tsx/dist/loader.mjs"),
    resolve("src/cli/main.ts"),
  ];
  const words = [...command, ...arguments_].map((word) => `'${word}'`).join(" ");
  const env = { NO_COLOR: "1", TSX_DISABLE_CACHE: "1" };
  return execa("sh", ["-c", `${before} exec ${words} ${after}`], { reject: false, cwd: workplace, env });
}

const compactOf = (run: string): Promise<Buffer> => readFile(join(workplace, run, "compact.onnx"));
const stack = /\n\s+at |node:internal/;

async function whole(epochs: string): Promise<Buffer> {
  const name = `whole-${epochs}`;
  if (!existsSync(join(workplace, name))) {
    expect((await execute(training(join(workplace, name), "--epochs", epochs))).exitCode).toBe(0);
  }
  return compactOf(name);
}

describe.skipIf(!existsSync("/dev/full"))("output that cannot be written", () => {
  it.each([["recipes"], ["recipes --json"], ["inspect resnet-20"], ["--help"], ["train --help"]])(
    "%s says so and ends with exit code 2",
    async (command) => {
      const { exitCode, stderr } = await inShell("", command.split(" "), "> /dev/full");
      expect([exitCode, stderr]).toEqual([
        2,
        expect.stringMatching(/^✗ standard output: no space .* \[no-disk-space\]\n/),
      ]);
      expect(stderr).not.toMatch(stack);
    },
  );

  it("where nothing can be said at all, the exit code is left", async () => {
    expect((await inShell("", ["inspect", "resnet-20"], "> /dev/full 2>&1")).exitCode).toBe(2);
    expect((await inShell("", ["inspect", "nothing"], "2> /dev/full")).exitCode).toBe(2);
  });

  it("stops a run behind a checkpoint, and it comes to the same end", async () => {
    const { exitCode, stderr } = await inShell("", training("unheard", "--epochs", "3", "--json"), "> /dev/full");
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining("[no-disk-space]")]);
    expect(stderr).not.toMatch(stack);
    expect(readdirSync(join(workplace, "unheard"))).not.toContain(".lock");
    expect((await espalier(["resume", "unheard"], workplace)).exitCode).toBe(0);
    expect(await compactOf("unheard")).toEqual(await whole("3"));
  });
});

describe.skipIf(process.platform === "win32")("limits", () => {
  it("on the size of files: the run keeps its checkpoint, and comes to the same end without them", async () => {
    const { exitCode, stderr } = await inShell("ulimit -f 10;", training("small-files", "--epochs", "3", "--json"), "");
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringMatching(/larger than this process may write \[limit-reached\]/),
    ]);
    expect(stderr).not.toMatch(stack);
    expect(readdirSync(join(workplace, "small-files"))).not.toContain(".lock");
    expect((await espalier(["resume", "small-files"], workplace)).exitCode).toBe(0);
    expect(await compactOf("small-files")).toEqual(await whole("3"));
  });
});

/** Resolves when `child` has printed `text`. */
async function printed(child: ReturnType<typeof start>, text: string): Promise<void> {
  let seen = "";
  await new Promise<void>((found) => {
    child.stdout.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
      if (seen.includes(text)) found();
    });
    child.once("close", () => found());
  });
}

describe.skipIf(process.platform === "win32")("signals", () => {
  it("a terminal that closes stops a run as Ctrl-C does", async () => {
    const child = start(training("hung-up", "--epochs", "40", "--json"), workplace);
    await printed(child, '"type":"step"');
    child.kill("SIGHUP");
    const { exitCode, stderr } = await child;
    expect([exitCode, stderr]).toEqual([130, expect.stringMatching(/\[interrupted\]\n.*espalier resume/)]);
  });

  const isBuilt = existsSync(new URL("../../dist/dashboard/page", import.meta.url));

  it.skipIf(!isBuilt)("the page ends when its terminal closes", async () => {
    const child = start(["ui", workplace, "--port", "0", "--json"], workplace);
    await printed(child, "address");
    child.kill("SIGHUP");
    expect((await child).exitCode).toBe(0);
  });

  it("the page's runs are in a process group of their own, where its terminal's signals do not come", async () => {
    const folder = join(workplace, "runs-of-page");
    await mkdir(join(folder, "run"), { recursive: true });
    const script = join(folder, "script.mjs");
    const told = join(folder, "told");
    await writeFile(
      script,
      `import { readFileSync, writeFileSync } from "node:fs";
       const group = readFileSync("/proc/self/stat", "utf8").split(") ")[1].split(" ")[2];
       writeFileSync(${JSON.stringify(told)}, process.pid + " " + group);
       setInterval(() => {}, 1000);`,
    );
    const launcher = new Launcher(folder, { program: process.execPath, arguments: [script] }, () => {});
    launcher.resume("run");
    while (!existsSync(told) || readFileSync(told, "utf8") === "") await setTimeout(20);
    const [id, group] = readFileSync(told, "utf8").split(" ");
    await launcher.close();
    expect(group).toBe(id);
  });

  it("who was stopped for longer than its lock lasts does not train on beside its successor", async () => {
    const stopped = start(training("taken-over", "--epochs", "30", "--json"), workplace);
    await printed(stopped, '"type":"epoch"');
    stopped.kill("SIGSTOP");
    const successor = start(["resume", "taken-over", "--json"], workplace);
    await printed(successor, "run.started");
    stopped.kill("SIGCONT");
    const { exitCode, stderr } = await stopped;
    expect([exitCode, stderr]).toEqual([75, expect.stringMatching(/taken-over.*\[run-lost\]\n/)]);
    expect((await successor).exitCode).toBe(0);
    expect(await compactOf("taken-over")).toEqual(await whole("30"));
    const names = readdirSync(join(workplace, "taken-over"));
    expect(names.filter((name) => name.startsWith("."))).toEqual([]);
  }, 300_000);
});

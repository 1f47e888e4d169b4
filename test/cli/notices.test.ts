/** What the engine has to say reaches whoever runs a command: here, that its kernel choices could not be used. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { execute, tinyWorkplace } from "./support.ts";

let workplace: string;
let data: string;
let kernels: string;

beforeAll(async () => {
  workplace = await tinyWorkplace();
  data = join(workplace, (await readdir(workplace)).find((name) => name.startsWith("data-")) ?? "");
});
beforeEach(async () => {
  kernels = await mkdtemp(join(workplace, "kernels-"));
  vi.stubEnv("ESPALIER_KERNEL_CACHE", kernels);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(workplace, { recursive: true, force: true });
});

const engine = ["--engine", "onednn", "--threads", "1"];
const network = (): string => join(workplace, "tiny.onnx");
const bench = (): ReturnType<typeof execute> =>
  execute(["bench", network(), "--step", "--batch", "4", "--runs", "1", "--json", ...engine]);

/** The file of choices, which a first command has made, spoilt by `spoil`. */
async function spoilChoices(spoil: (whole: string) => string): Promise<string> {
  expect((await bench()).stderr).not.toContain("!");
  const [file = ""] = await readdir(kernels);
  const path = join(kernels, file);
  await writeFile(path, spoil(await readFile(path, "utf8")));
  return path;
}

describe("a kernel cache that cannot be used", () => {
  it.each([
    ["cut short", (whole: string) => whole.slice(0, -10), "it is no JSON"],
    ["of another version", (whole: string) => whole.replace('"version": 1', '"version": 2'), "version: "],
    [
      "of another library",
      (whole: string) => whole.replace(/oneDNN [\d.]+/, "oneDNN 1.0.0"),
      "library oneDNN 1.0.0, here",
    ],
  ])("is told by bench and made anew: %s", async (_, spoil, reason) => {
    const path = await spoilChoices(spoil);
    const { exitCode, stdout, stderr } = await bench();
    expect(exitCode).toBe(0);
    expect(stderr).toContain(`! the kernel choices in ${path} are not used, and timed again: `);
    expect(stderr).toContain(reason);
    expect(JSON.parse(stdout).notices).toEqual([expect.stringContaining(reason)]);
    expect((await bench()).stderr).not.toContain("!");
  });

  it("is a notice of a run, in its events as on the terminal", async () => {
    await spoilChoices(() => "{");
    const folder = join(workplace, "run");
    const { exitCode, stdout } = await execute([
      ...["train", network(), "--data", data, "--epochs", "1", "--batch", "4", "--gamma", "0.01", "--no-latency"],
      ...["--out", folder, ...engine],
    ]);
    expect(exitCode).toBe(0);
    expect(stdout.match(/! the kernel choices in .* are not used, and timed again/g)).toHaveLength(1);
    const events = await readFile(join(folder, "events.jsonl"), "utf8");
    expect(events.match(/"type":"notice".*are not used, and timed again/g)).toHaveLength(1);
  });

  it("is told by eval", async () => {
    await execute(["eval", network(), "--data", data, ...engine]);
    await spoilChoices(() => "[]");
    const { exitCode, stderr } = await execute(["eval", network(), "--data", data, ...engine]);
    expect(exitCode).toBe(0);
    expect(stderr).toContain("are not used, and timed again");
  });
});

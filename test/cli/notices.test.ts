/**
 * What the engine has to say reaches whoever runs a command: choices that could not be used, memory that does not
 * suffice.
 */
import { access, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { saveOnnx } from "../../src/formats/onnx/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { initialize } from "../../src/models/initialize.ts";
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
    ["cut short", (whole: string) => whole.slice(0, -10), "it is not JSON"],
    ["of another version", (whole: string) => whole.replace(/"version": \d+/, '"version": 0'), "version: "],
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

describe("a step that the memory does not suffice for", () => {
  // No machine has the petabytes that these batches and images take.
  it.each(["onednn", "reference"])(
    "is the user's mistake, told before anything is allocated: bench, %s",
    async (name) => {
      const arguments_ = ["bench", network(), "--step", "--batch", "100000000", "--engine", name, "--threads", "1"];
      const { exitCode, stdout, stderr } = await execute(name === "reference" ? arguments_.slice(0, -2) : arguments_);
      expect([exitCode, stdout]).toEqual([2, ""]);
      expect(stderr).toMatch(
        /plan of "tiny \(training\)" .* needs .* GB of memory, and .* are available \[out-of-memory\]/,
      );
      expect(stderr).toMatch(/The largest batch that fits is \d+/);
    },
  );

  it("is the user's mistake, and leaves no folder behind: train", async () => {
    const builder = new GraphBuilder("huge");
    const images = builder.input("images", ["N", 1, 8, 8]);
    const value = builder.convolution("widen", images, { channels: 16, kernel: 3, padding: 10_000 });
    builder.output(builder.linear("linear", builder.flatten("flat", builder.globalAveragePooling("pool", value)), 3));
    const file = join(workplace, "huge.onnx");
    const graph = builder.build();
    await saveOnnx({ graph, weights: initialize(graph, 1) }, file);
    const folder = join(workplace, "refused");
    const { exitCode, stderr } = await execute([
      ...[
        "train",
        file,
        "--data",
        data,
        "--mean",
        "0.5",
        "--std",
        "0.5",
        "--epochs",
        "1",
        "--batch",
        "96",
        "--out",
        folder,
      ],
      ...engine,
    ]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("[out-of-memory]");
    await expect(access(folder)).rejects.toMatchObject({ code: "ENOENT" });
  });
});

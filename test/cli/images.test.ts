import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { writeBroken, writeColours } from "../data/images/images.ts";
import { espalier, execute, tinyWorkplace } from "./support.ts";

let workplace: string;
let folder: string;
let run: string;

beforeAll(async () => {
  workplace = await tinyWorkplace({ channels: 3 });
  folder = join(workplace, "colours");
  run = join(workplace, "run");
  await writeColours(folder, 40);
  writeBroken(join(folder, "green", "broken.jpg"));
});
afterAll(() => rm(workplace, { recursive: true, force: true }));

describe("a folder of images", () => {
  it("is checked by espalier data, with every image that cannot be read", async () => {
    const { exitCode, stdout } = await execute(["data", folder, "--size", "8"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/97 training and 24 test images of 3×8×8, 3 classes/);
    expect(stdout).toMatch(/20 % of each class was held out \(seed 1\)/);
    expect(stdout).toMatch(/1 image cannot be read:\n.*green\/broken.jpg: it is not a JPEG, .* or BMP file/);
    const json = JSON.parse((await execute(["data", folder, "--json", "--test-share", "0.5"])).stdout);
    expect(json).toMatchObject({ train: 60, test: 61, preparation: { testShare: 0.5, size: [224, 224] } });
    expect(json.unreadable).toHaveLength(1);
  });

  it("trains a network on its classes, at the network's size, and records the preprocessing", async () => {
    const { exitCode, stderr } = await espalier(
      [
        ...["train", join(workplace, "tiny.onnx"), "--data", folder, "--out", run, "--epochs", "6", "--batch", "8"],
        ...[
          "--engine",
          "reference",
          "--no-latency",
          "--gamma",
          "0.001",
          "--mean",
          "0.5,0.5,0.5",
          "--std",
          "0.25,0.25,0.25",
        ],
      ],
      workplace,
    );
    expect([exitCode, stderr]).toEqual([0, ""]);
    const events = await readEvents(run);
    const finished = events.at(-1);
    if (finished?.type !== "run.finished") throw new Error("the run did not finish");
    // Guessing is right for one in three.
    expect(finished.after.accuracy).toBeGreaterThan(80);
    const notices = events.flatMap((event) => (event.type === "notice" ? [event.message] : []));
    expect(notices.some((message) => message.includes("green/broken.jpg cannot be read"))).toBe(true);
    expect(notices.some((message) => /could not be read; "espalier data" names them/.test(message))).toBe(true);
    const { data } = await readRunRecord(run);
    expect(data.classes).toEqual(["blue", "green", "red"]);
    expect(data.preparation).toMatchObject({ size: [8, 8], channels: 3, mean: [0.5, 0.5, 0.5], testShare: 0.2 });
  });

  it("is scored as the file says: its classes, its constants, the same images held out", async () => {
    const events = await readEvents(run);
    const finished = events.at(-1);
    const scored = await execute([
      "eval",
      join(run, "compact.onnx"),
      "--data",
      folder,
      "--engine",
      "reference",
      "--json",
    ]);
    expect(scored.exitCode).toBe(0);
    const result = JSON.parse(scored.stdout);
    expect(finished).toMatchObject({ testImages: result.images, after: { accuracy: result.accuracy } });
    for (const { label, path } of result.worst) expect(path).toContain(`${["blue", "green", "red"][label]}/`);
    // Images of two of the three classes: their labels are the network's, not theirs.
    const two = join(workplace, "two");
    await writeColours(two, 5);
    await rm(join(two, "blue"), { recursive: true });
    const all = await execute([
      "eval",
      join(run, "compact.onnx"),
      "--data",
      two,
      "--test-share",
      "1",
      "--engine",
      "reference",
      "--json",
    ]);
    expect(JSON.parse(all.stdout).images).toBe(10);
    expect(JSON.parse(all.stdout).accuracy).toBeGreaterThan(50);
    // Labelled as what they are not: all of them are wrong, and told by their files.
    const swapped = join(workplace, "swapped");
    for (const [from, to] of [
      ["red", "blue"],
      ["blue", "red"],
    ] as const) {
      await cp(join(folder, from, "0.png"), join(swapped, to, `${from}.png`));
    }
    const page = join(workplace, "swapped.html");
    const options = ["--test-share", "1", "--engine", "reference", "--json", "--html", page];
    const wrong = await execute(["eval", join(run, "compact.onnx"), "--data", swapped, ...options]);
    const paths = JSON.parse(wrong.stdout)
      .worst.map(({ path }: { path: string }) => path)
      .toSorted();
    expect(paths).toEqual(["blue/red.png", "red/blue.png"]);
    expect(await readFile(page, "utf8")).toContain(">blue/red.png</span>");
  });

  it("is told from the images of other classes, and refuses a size that is none", async () => {
    writeBroken(join(workplace, "other", "cow", "1.jpg"));
    writeBroken(join(workplace, "other", "horse", "1.jpg"));
    const scored = await execute(["eval", join(run, "compact.onnx"), "--data", join(workplace, "other")]);
    expect(scored.exitCode).toBe(2);
    expect(scored.stderr).toContain('does not know the class "cow", "horse"');
    const wrong = await execute(["train", "resnet-20", "--data", folder, "--size", "64x"]);
    expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringContaining("--size")]);
  });

  it("goes on bit for bit where a run was stopped", async () => {
    const whole = await readFile(join(run, "compact.onnx"));
    const again = join(workplace, "again");
    await cp(run, again, { recursive: true });
    // As if the process had died after the last checkpoint but one.
    const { listCheckpoints, checkpointPath } = await import("../../src/training/run-folder/checkpoint-files.ts");
    const [last = -1] = await listCheckpoints(again);
    await rm(join(again, checkpointPath(last)), { recursive: true });
    await rm(join(again, "compact.onnx"));
    const log = await readFile(join(again, "events.jsonl"), "utf8");
    await writeFile(join(again, "events.jsonl"), `${log.trimEnd().split("\n").slice(0, -1).join("\n")}\n`);
    const added = join(folder, "red", "added.png");
    writeBroken(added);
    const refused = await espalier(["resume", again], workplace);
    expect([refused.exitCode, refused.stderr]).toEqual([
      2,
      expect.stringContaining("not the data the run was started"),
    ]);
    await rm(added);
    expect((await espalier(["resume", again], workplace)).exitCode).toBe(0);
    expect((await readFile(join(again, "compact.onnx"))).equals(whole)).toBe(true);
  });

  it("goes on with data that was moved, if it is the same, and remembers where it is", async () => {
    const [longer, moved] = [join(workplace, "longer"), join(workplace, "moved")];
    await cp(run, longer, { recursive: true });
    await cp(folder, moved, { recursive: true });
    const { settings } = await readRunRecord(longer);
    const epochs = String(settings.epochs + 1);
    const resumed = ["resume", longer, "--epochs", epochs, "--threads", "1", "--data"];
    const other = await espalier([...resumed, join(folder, "..", "run")], workplace);
    expect(other.exitCode).toBe(2);
    const { exitCode, stdout } = await espalier([...resumed, moved], workplace);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining(`The run gets ${epochs} epochs instead of`)]);
    expect((await readRunRecord(longer)).data.source).toBe(moved);
  });

  it("trains on from a finished run: its network, its data, its preprocessing", async () => {
    const next = join(workplace, "next");
    const args = ["train", run, "--epochs", "1", "--batch", "16", "--gamma", "0.001", "--out", next, "--no-latency"];
    expect((await espalier(args, workplace)).exitCode).toBe(0);
    const [first, second] = [await readRunRecord(run), await readRunRecord(next)];
    expect(second.data).toEqual(first.data);
    expect(second.settings.schedule.peak).toBeCloseTo(0.02, 10);
    const torn = join(workplace, "torn");
    await cp(run, torn, { recursive: true });
    await rm(join(torn, "compact.onnx"));
    const refused = await espalier(["train", torn], workplace);
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining("Put the file back")]);
  });
});

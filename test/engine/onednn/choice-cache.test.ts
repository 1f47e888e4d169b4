import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KernelChoices } from "../../../src/engine/engine.ts";
import { createOneDnnEngine } from "../../../src/engine/onednn/index.ts";
import { ChoiceCache, type ChoiceIdentity } from "../../../src/engine/onednn/planner/choice-cache.ts";
import type { Known } from "../../../src/engine/onednn/planner/tuning.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/graph.ts";

const identity = { library: "oneDNN 2.6.3", instructionSet: "0xe7", threads: 2 };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "espalier-choices-test-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** The cache of `own` in the test's folder, whose notices go to `notices`. */
function cacheOf(own: ChoiceIdentity, notices: string[] = []): ChoiceCache {
  return new ChoiceCache(folder, own, (message) => notices.push(message));
}

/** Choices without times. */
function chosen(choices: KernelChoices): Known {
  return { choices, milliseconds: {} };
}

function oneConvolution(): Graph {
  const builder = new GraphBuilder("one");
  builder.output(builder.convolution("conv", builder.input("images", ["N", 32, 8, 8]), { channels: 32, kernel: 3 }));
  return builder.build();
}

describe("the cache of kernel choices", () => {
  it("gives back what was added, and nothing to another machine", () => {
    const cache = cacheOf(identity);
    expect(cache.read()).toEqual(chosen({}));
    cache.add(chosen({ a: "direct" }));
    cache.add(chosen({ b: "winograd" }));
    expect(cacheOf(identity).read()).toEqual(chosen({ a: "direct", b: "winograd" }));
    expect(cacheOf({ ...identity, threads: 1 }).read()).toEqual(chosen({}));
  });

  it("keeps the first choice of a key, so that runs go on rounding alike", () => {
    const cache = cacheOf(identity);
    cache.add(chosen({ a: "direct" }));
    cache.add(chosen({ a: "winograd", b: "direct" }));
    expect(cache.read()).toEqual(chosen({ a: "direct", b: "direct" }));
  });

  it.each([
    ["cut short", (whole: string) => whole.slice(0, 20), "it is not JSON"],
    ["empty", () => "", "it is not JSON"],
    ["of another kind", () => '["choices"]', "the whole: "],
    ["of another version", (whole: string) => whole.replace(/"version": \d+/, '"version": 0'), "version: "],
    ["with a choice that is no text", (whole: string) => whole.replace('"direct"', "3"), "choices.a: "],
    [
      "of another library",
      (whole: string) => whole.replace("2.6.3", "9.9.9"),
      "library oneDNN 9.9.9, here oneDNN 2.6.3",
    ],
    [
      "of another processor",
      (whole: string) => whole.replace(/"processor": "[^"]*"/, '"processor": "Other"'),
      "processor Other, here ",
    ],
  ])("passes over a file %s with a notice, and writes it anew", (_, spoil, reason) => {
    const notices: string[] = [];
    const cache = cacheOf(identity, notices);
    cache.add(chosen({ a: "direct" }));
    writeFileSync(cache.path, spoil(readFileSync(cache.path, "utf8")));
    expect(cache.read()).toEqual(chosen({}));
    expect(notices).toEqual([expect.stringContaining(`kernel choices in ${cache.path} are not used`)]);
    expect(notices[0]).toContain(reason);
    cache.add(chosen({ b: "direct" }));
    expect(cacheOf(identity).read()).toEqual(chosen({ b: "direct" }));
  });

  it("keeps what was measured beside what was chosen", () => {
    const cache = cacheOf(identity);
    cache.add({ choices: { a: "direct" }, milliseconds: { b: 1.5 } });
    cache.add({ choices: {}, milliseconds: { b: 2, c: 3 } });
    expect(cache.read()).toEqual({ choices: { a: "direct" }, milliseconds: { b: 1.5, c: 3 } });
  });

  it("keeps what was found out on a busy machine apart, for as long as it is busy", () => {
    let now = 0;
    const cache = new ChoiceCache(
      folder,
      identity,
      () => {},
      () => now,
    );
    cache.add({ choices: { a: "slow", b: "slow" }, milliseconds: { c: 9 } }, true);
    expect(cache.read()).toEqual({ choices: { a: "slow", b: "slow" }, milliseconds: { c: 9 } });
    now = 11 * 60 * 1000;
    expect(cache.read()).toEqual(chosen({}));
    expect(cache.read(true)).toEqual({ choices: { a: "slow", b: "slow" }, milliseconds: { c: 9 } });
    cache.add({ choices: { a: "fast" }, milliseconds: {} });
    expect(cache.read()).toEqual(chosen({ a: "fast" }));
    expect(cache.read(true)).toEqual({ choices: { a: "fast", b: "slow" }, milliseconds: { c: 9 } });
  });

  it("says so if it cannot be written, and goes on", () => {
    const notices: string[] = [];
    writeFileSync(join(folder, "file"), "");
    new ChoiceCache(join(folder, "file", "below"), identity, (message) => notices.push(message)).add(
      chosen({ a: "direct" }),
    );
    expect(notices.at(-1)).toMatch(/could not be stored in .*file/);
  });

  it("is written by one plan and obeyed by the next", () => {
    const engine = createOneDnnEngine({ threads: 1, cacheFolder: folder });
    const first = engine.prepare(oneConvolution(), { batch: 2 });
    first.dispose();
    const cache = cacheOf({ ...identity, ...engine.description, threads: 1 });
    expect(cache.read().choices).toEqual(first.choices);
    const second = engine.prepare(oneConvolution(), { batch: 2 });
    expect(second.choices).toEqual(first.choices);
    expect([first.notices, second.notices]).toEqual([[], []]);
    second.dispose();
    writeFileSync(cache.path, "{");
    const third = engine.prepare(oneConvolution(), { batch: 2 });
    expect(third.notices).toEqual([expect.stringContaining("are not used, and timed again: it is not JSON")]);
    third.dispose();
    const fourth = engine.prepare(oneConvolution(), { batch: 2 });
    expect(fourth.notices).toEqual([]);
    fourth.dispose();
  });
});

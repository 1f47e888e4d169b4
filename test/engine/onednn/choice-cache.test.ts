import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createOneDnnEngine } from "../../../src/engine/onednn/index.ts";
import { ChoiceCache } from "../../../src/engine/onednn/planner/choice-cache.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/graph.ts";

const identity = { library: "oneDNN 2.6.3", instructionSet: "0xe7", threads: 2 };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "espalier-choices-test-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  vi.restoreAllMocks();
});

function oneConvolution(): Graph {
  const builder = new GraphBuilder("one");
  builder.output(builder.convolution("conv", builder.input("images", ["N", 32, 8, 8]), { channels: 32, kernel: 3 }));
  return builder.build();
}

describe("the cache of kernel choices", () => {
  it("gives back what was added, and nothing to another machine", () => {
    const cache = new ChoiceCache(folder, identity);
    expect(cache.read()).toEqual({});
    cache.add({ a: "direct" });
    cache.add({ b: "winograd" });
    expect(new ChoiceCache(folder, identity).read()).toEqual({ a: "direct", b: "winograd" });
    expect(new ChoiceCache(folder, { ...identity, threads: 1 }).read()).toEqual({});
  });

  it("keeps the first choice of a key, so that runs go on rounding alike", () => {
    const cache = new ChoiceCache(folder, identity);
    cache.add({ a: "direct" });
    cache.add({ a: "winograd", b: "direct" });
    expect(cache.read()).toEqual({ a: "direct", b: "direct" });
  });

  it("passes over a damaged or foreign file with a warning, and writes it anew", () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const cache = new ChoiceCache(folder, identity);
    cache.add({ a: "direct" });
    const whole = readFileSync(cache.path, "utf8");
    for (const content of [whole.slice(0, 20), whole.replace("2.6.3", "9.9.9"), '{"version": 7}']) {
      writeFileSync(cache.path, content);
      expect(cache.read()).toEqual({});
    }
    expect(warned).toHaveBeenCalledTimes(3);
    cache.add({ b: "direct" });
    expect(new ChoiceCache(folder, identity).read()).toEqual({ b: "direct" });
  });

  it("is written by one plan and obeyed by the next", () => {
    const engine = createOneDnnEngine({ threads: 1, cacheFolder: folder });
    const first = engine.prepare(oneConvolution(), { batch: 2 });
    const [key = "", choice = ""] = Object.entries(first.choices)[0] ?? [];
    first.dispose();
    const cache = new ChoiceCache(folder, { ...identity, ...engine.description, threads: 1 });
    expect(cache.read()).toEqual({ [key]: choice });
    const second = engine.prepare(oneConvolution(), { batch: 2 });
    expect(second.choices).toEqual({ [key]: choice });
    second.dispose();
  });
});

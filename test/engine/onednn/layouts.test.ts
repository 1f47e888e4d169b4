/** Whatever layouts a plan has its images in, it computes the same. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { required } from "../../../src/core/errors.ts";
import type { Engine, PrepareOptions } from "../../../src/engine/engine.ts";
import { createOneDnnEngine } from "../../../src/engine/onednn/index.ts";
import { sharedShape } from "../../../src/engine/onednn/layouts.ts";
import type { Graph } from "../../../src/graph/graph.ts";
import { networkCases, opCases } from "../cases.ts";
import { expectSameAsReference } from "../conformance.ts";

const engine = createOneDnnEngine({ threads: 1 });

/** The engine, which takes the layouts that `mix` makes of the letters of its own choice. */
function withLayouts(mix: (letters: string) => string): Engine {
  return {
    ...engine,
    prepare: (graph: Graph, options: PrepareOptions) => {
      const first = engine.prepare(graph, options);
      const choices = Object.entries(first.choices).filter(([key]) => key.startsWith("layouts of "));
      first.dispose();
      return engine.prepare(graph, {
        ...options,
        choices: Object.fromEntries(choices.map(([key, letters]) => [key, mix(letters)])),
      });
    },
  };
}

const cases = [...networkCases, ...opCases];

describe.each([
  ["in blocks", (letters: string) => "b".repeat(letters.length)],
  ["channels last", (letters: string) => "l".repeat(letters.length)],
  ["in turns", (letters: string) => Array.from(letters, (_, index) => (index % 2 === 0 ? "b" : "l")).join("")],
] as const)("images %s", (_, mix) => {
  it.each(cases.map((one) => [one.name, one] as const))("%s", (_name, one) => {
    expectSameAsReference(withLayouts(mix), one);
  });
});

it("any mixture of layouts computes the same network", () => {
  const one = required(networkCases[0], "a network");
  fc.assert(
    fc.property(fc.infiniteStream(fc.constantFrom("b", "l")), (stream) => {
      expectSameAsReference(
        withLayouts((letters) => Array.from(letters, () => stream.next().value).join("")),
        one,
      );
    }),
    { numRuns: 10 },
  );
});

it("every group of a plan has a layout", () => {
  const one = required(networkCases[0], "a network");
  expectSameAsReference(
    withLayouts((letters) => {
      expect(letters).toMatch(/^[bl]+$/);
      return letters;
    }),
    one,
  );
});

it("widths that fill as many vectors share timings, but channels-last not those that leave one half empty", () => {
  const wide = (channels: number): readonly number[] => [128, channels, 32, 32];
  expect(sharedShape(wide(5), "nChw16c")).toBe(sharedShape(wide(16), "nChw16c"));
  expect(sharedShape(wide(17), "nChw16c")).not.toBe(sharedShape(wide(16), "nChw16c"));
  // Batch norms of 5 channels have no fast kernel channels-last, those of 16 have.
  expect(sharedShape(wide(5), "nhwc")).not.toBe(sharedShape(wide(16), "nhwc"));
  expect(sharedShape(wide(5), "nhwc")).toBe(sharedShape(wide(7), "nhwc"));
  expect(sharedShape(wide(32), "nhwc")).toBe(sharedShape(wide(32), "nChw16c"));
});

/** A machine without oneDNN: the search is made to find nothing, for this one has it. */
import { expect, it, vi } from "vitest";
import { createEngine, defaultEngine } from "../../src/engine/create.ts";
import { parseSettings } from "../../src/training/settings/settings.ts";
import { tinyResnet } from "../training/tiny.ts";

const absent = vi.hoisted(() => ({ value: true }));
vi.mock("../../src/engine/onednn/ffi/locate.ts", async (original) => ({
  ...(await original<typeof import("../../src/engine/onednn/ffi/locate.ts")>()),
  oneDnnIsAbsent: () => absent.value,
}));

function tinyPlanNotices(): readonly string[] {
  return createEngine({ engine: "reference" }).prepare(tinyResnet(), { batch: 1 }).notices;
}

it("the default is oneDNN, and the reference engine where there is none", () => {
  absent.value = false;
  expect(defaultEngine()).toBe("onednn");
  expect(parseSettings({ epochs: 1 }).engine).toBe("onednn");
  absent.value = true;
  expect(defaultEngine()).toBe("reference");
  expect(parseSettings({ epochs: 1 }).engine).toBe("reference");
  expect(parseSettings({ epochs: 1, engine: "onednn" }).engine).toBe("onednn");
});

it("the reference engine says so where it stands in for oneDNN, and is silent where it was chosen", () => {
  absent.value = false;
  expect(tinyPlanNotices()).toEqual([]);
  absent.value = true;
  expect(tinyPlanNotices()).toEqual([expect.stringMatching(/^oneDNN is not installed: .* slower\. Install it with/)]);
});

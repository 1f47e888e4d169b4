/** What a budget selects in networks of parallel branches, whose only paper's kind is a block or two. */
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import type { Network } from "../../src/graph/graph.ts";
import { budgetSelection, nearestReachable } from "../../src/selection/budget.ts";
import { place, structureKinds } from "../../src/selection/place.ts";

const load = (name: string): Promise<Network> =>
  loadOnnx(fileURLToPath(new URL(`../training/fixtures/${name}.onnx`, import.meta.url)));

describe.each(["repvgg", "mixconv"])("%s", (name) => {
  test.each([0.3, 0.5, 0.7])("selects streams beside its block for a budget of %f", async (share) => {
    const { graph } = await load(name);
    expect(structureKinds(graph)).toEqual(["block", "stream"]);
    const select = budgetSelection(graph, { of: "macs", share });
    expect(select.streams).toBeGreaterThan(0);
    const { graph: scaled, factors } = place(graph, select);
    const near = nearestReachable(scaled, factors, { of: "macs", share });
    const blocks = place(graph, { blocks: 1 });
    const alone = nearestReachable(blocks.graph, blocks.factors, { of: "macs", share });
    expect(Math.abs(near - share)).toBeLessThan(0.08);
    expect(Math.abs(near - share)).toBeLessThan(Math.abs(alone - share));
  });
});

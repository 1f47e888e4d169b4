import { expect, test } from "vitest";
import { LevelTable } from "../../src/report/factor-history.ts";
import { marginsAfter, marginWords } from "../../src/report/margins.ts";
import { syntheticRun } from "./synthetic.ts";

/** The table of a run whose epochs tell these margins of its first factor parameter, and none of the others. */
function tableOf(...first: readonly { zero: number | null; living: readonly [number, number] | null }[]) {
  const table = new LevelTable();
  const [started, ...events] = syntheticRun();
  if (started?.type !== "run.started") throw new Error("the run does not begin with its start");
  table.add(started);
  const structures = started.factors.reduce((sum, { count }) => sum + count, 0);
  const levels = { maximum: 1, values: Buffer.alloc(structures, 255).toString("base64") };
  const epochs = events.filter((event) => event.type === "epoch");
  for (const [index, epoch] of epochs.entries()) {
    const own = first[index];
    table.add({ ...epoch, levels, ...(own === undefined ? {} : { margins: [own] }) });
  }
  const made = table.table();
  return { table: made, bytes: Uint8Array.from(Buffer.from(made.margins, "base64")) };
}

test("margins of a moment are those of the last epoch before it", () => {
  const { table, bytes } = tableOf({ zero: null, living: [-0.5, 0.25] }, { zero: 0.125, living: [0.5, 0.75] });
  const [row] = table.rows;
  const key = `${row?.kind} ${row?.layer}`;
  expect(marginsAfter(table, bytes, 0)).toBeUndefined();
  expect(marginsAfter(table, bytes, 1.9)).toEqual({ epoch: 1, of: { [key]: { zero: null, living: [-0.5, 0.25] } } });
  expect(marginsAfter(table, bytes, 2)?.of[key]).toEqual({ zero: 0.125, living: [0.5, 0.75] });
  // Runs of earlier versions tell none.
  expect(marginsAfter(table, bytes, 3)).toEqual({ epoch: 3, of: {} });
});

test("margins are told for the living, for those at zero, and for what was cut", () => {
  expect(marginWords({ zero: 0.125, living: [-0.5, 0.25] }, 0.0625)).toBe(
    "living -0.500 to 0.250, at zero ≥ 0.125, pruned at ≥ 0.0625",
  );
  expect(marginWords({ zero: null, living: [0.5, 0.5] }, undefined)).toBe("living 0.500");
  expect(marginWords(undefined, undefined)).toBe("");
});

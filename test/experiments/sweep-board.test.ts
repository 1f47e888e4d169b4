import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SweepBoard } from "../../src/experiments/sweep-board.ts";
import type { SweepRun } from "../../src/experiments/sweep-plan.ts";
import type { SweepReport } from "../../src/experiments/sweep-report.ts";

/** Each run with a control behind it, or without. */
function runsOf(withControls: readonly boolean[]): readonly SweepRun[] {
  return withControls.flatMap((hasControl, index): SweepRun[] => {
    const run = { name: `run-${index}`, point: "p", seed: 1, settings: { epochs: 1 } };
    const control = { ...run, name: `${run.name}-control`, controlOf: { name: run.name, same: "epochs" } as const };
    return hasControl ? [run, control] : [run];
  });
}

function report(runs: readonly SweepRun[], index: number, state: SweepReport["state"]): SweepReport {
  const name = runs[index]?.name ?? "";
  return { type: "sweep.run", number: index + 1, runs: runs.length, name, folder: name, state };
}

describe("the board of a sweep", () => {
  it("gives every run out once, a control after its run, and no rank two at once, in whatever order they end", () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 5 }),
        fc.infiniteStream(fc.nat(20)),
        (withControls, ranks, choices) => {
          const runs = runsOf(withControls);
          const [board, twin] = [new SweepBoard(runs, ranks), new SweepBoard(runs, ranks)];
          const busy = new Map<number, number>();
          const ended: number[] = [];
          while (!board.isOver) {
            const assignments = board.assign();
            expect(twin.assign()).toEqual(assignments);
            for (const { rank, index } of assignments) {
              expect(busy.has(rank)).toBe(false);
              busy.set(rank, index);
              const { controlOf } = runs[index] ?? {};
              if (controlOf) expect(ended.map((at) => runs[at]?.name)).toContain(controlOf.name);
            }
            expect(busy.size).toBeGreaterThan(0);
            const going = [...busy];
            const [rank, index] = going[(choices.next().value ?? 0) % going.length] ?? [0, 0];
            busy.delete(rank);
            ended.push(index);
            for (const each of [board, twin]) {
              each.update(report(runs, index, "starting"));
              each.update(report(runs, index, "finished"));
            }
          }
          expect(ended.toSorted((a, b) => a - b)).toEqual(runs.map((_, index) => index));
          expect(board.reports.map(({ number }) => number)).toEqual(runs.map((_, index) => index + 1));
          expect(board.isIdle).toBe(true);
        },
      ),
    );
  });

  it("gives a run that was stopped to nobody else", () => {
    const board = new SweepBoard(runsOf([false]), 2);
    expect(board.assign()).toEqual([{ rank: 0, index: 0 }]);
    board.stop(0);
    expect(board.isIdle).toBe(true);
    expect(board.isOver).toBe(false);
    expect(board.assign()).toEqual([]);
  });
});

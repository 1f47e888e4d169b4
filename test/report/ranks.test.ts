import { describe, expect, it } from "vitest";
import { historyOf } from "../../src/report/history.ts";
import { reportPage } from "../../src/report/page.ts";
import { exposedPercent, ranksWords, waitedFor, waitedWords } from "../../src/report/ranks.ts";
import { ranked, syntheticRun } from "./synthetic.ts";

describe("what several ranks took", () => {
  it("is added up by the rank that came last, the one waited for longest first", () => {
    const epochs = [
      ranked(1, { rank: 1, host: "a" }, 300),
      ranked(2, { rank: 3, host: "b" }, 500),
      ranked(3, { rank: 1, host: "a" }, 400),
      // After it was resumed elsewhere the same number is another rank.
      ranked(4, { rank: 1, host: "c" }, 100),
    ];
    expect(waitedFor(epochs)).toEqual([
      { rank: 1, host: "a", milliseconds: 700, epochs: 2 },
      { rank: 3, host: "b", milliseconds: 500, epochs: 1 },
      { rank: 1, host: "c", milliseconds: 100, epochs: 1 },
    ]);
    expect(waitedFor(epochs).slice(0, 1).map(waitedWords)).toEqual(["700 ms for rank 1 on a, last in 2 epochs"]);
    expect(exposedPercent(ranked(1, { rank: 0, host: "a" }, 0))).toBe(3);
    expect(ranksWords(epochs)).toBe("4 ranks");
    expect(ranksWords([...epochs, { ...ranked(5, { rank: 0, host: "a" }, 0), ranks: 2 }])).toBe("2 to 4 ranks");
  });

  it("is in the report by epoch, and in that of one rank there is nothing of it", () => {
    const events = syntheticRun();
    const of = (with_: typeof events): string => reportPage(historyOf(with_), undefined);
    const alone = of(events);
    expect(alone).not.toContain("Time that ranks wait");
    expect(alone).not.toContain("Several ranks");
    const epochs = [1, 2, 3, 4, 5, 6].map((epoch) => ranked(epoch, { rank: epoch % 2, host: "node-b" }, 4000));
    const page = of([...events.slice(0, -1), ...epochs, ...events.slice(-1)]);
    expect(page).toContain("Time that ranks wait");
    expect(page).toContain("4 ranks, 1.10 MB a step and rank summed");
    expect(page).toContain("3.00 ms of a step (3.0 %) not hidden behind the backward pass, of 12.0 ms in all");
    expect(page).toContain("12 s for rank 1 on node-b, last in 3 epochs; 12 s for rank 0 on node-b, last in 3 epochs");
    expect(page).toContain("3.00 ms, 3.00 ms, 3.00 ms, 3.00 ms, 3.00 ms, 3.00 ms");
  });
});

import { describe, expect, test } from "vitest";
import { type History, historyOf } from "../../src/report/history.ts";
import { latencyCard, latencyFacts, slownessRemark } from "../../src/report/latency-card.ts";
import { syntheticRun } from "./synthetic.ts";

const history = historyOf(syntheticRun());
const figures = (median: number) => ({ median, lowerQuartile: 0.95 * median, upperQuartile: 1.1 * median, runs: 50 });

/** `history` with this share of the MACs and of the time left, in percent. */
function withShares(macs: number, time: number, options: Readonly<Record<string, unknown>> = {}): History {
  const { finished, latency, started } = history;
  if (finished === undefined || latency === undefined) throw new Error("not finished");
  return {
    ...history,
    started: { ...started, options: { ...started.options, ...options } },
    finished: { ...finished, before: { ...finished.before, macs: 100 }, after: { ...finished.after, macs } },
    latency: { ...latency, before: figures(2), after: figures((2 * time) / 100) },
  };
}

describe("slownessRemark", () => {
  test("nothing where the time fell as the MACs did, or was not measured", () => {
    expect(slownessRemark(withShares(50, 59))).toBeUndefined();
    expect(slownessRemark({ ...withShares(50, 99), latency: undefined })).toBeUndefined();
  });

  test("both shares, why, and a budget of latency that helps", () => {
    const remark = slownessRemark(withShares(52, 99));
    expect(remark).toContain("52.0 % of the MACs take 99.0 % of the time");
    expect(remark).toContain("--budget 50%-latency");
  });

  test("nothing for a run with such a budget", () => {
    const budget = { of: "latency", share: 0.5 };
    expect(slownessRemark(withShares(30, 50, { budget }))).toBeUndefined();
  });
});

describe("latencyFacts", () => {
  test("one thread, and all threads where they were measured", () => {
    const { latency } = withShares(50, 50);
    if (latency === undefined) throw new Error("not measured");
    expect(latencyFacts(latency)).toEqual([
      ["batch 1, 1 thread", "2.00 ms (1.90 ms to 2.20 ms) → 1.00 ms (0.950 ms to 1.10 ms), 50.0 %"],
    ]);
    const allThreads = { threads: 4, before: figures(1), after: figures(0.8) };
    const [, all] = latencyFacts({ ...latency, allThreads });
    expect(all?.[0]).toBe("batch 1, 4 threads");
    expect(all?.[1]).toContain("80.0 %");
  });

  test("the card has them", () => {
    expect(JSON.stringify(latencyCard(withShares(50, 50)))).toContain("50.0 % of the time");
    expect(latencyCard({ ...history, latency: undefined })).toBeUndefined();
  });
});

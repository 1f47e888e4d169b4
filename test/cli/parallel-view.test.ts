import { describe, expect, it } from "vitest";
import { parallelView } from "../../src/cli/view/parallel-view.ts";
import type { SweepReport } from "../../src/experiments/sweep-report.ts";
import { syntheticRun } from "../report/synthetic.ts";
import { recordingTerminal } from "./support.ts";

function report(
  number: number,
  name: string,
  state: SweepReport["state"],
  more: Partial<SweepReport> = {},
): SweepReport {
  const by = { rank: number - 1, host: `host-${number}` };
  return { type: "sweep.run", number, runs: 3, name, folder: name, state, by, ...more };
}

/** Two ranks at work on two of three runs, whose events come in turns; the second run fails near its end. */
function show(options: Parameters<typeof recordingTerminal>[0], json = false): string {
  const { terminal, text } = recordingTerminal(options);
  let time = 0;
  const view = parallelView(terminal, { json, now: () => time });
  view.run(report(1, "first", "starting"));
  view.run(report(2, "second", "resuming"));
  for (const event of syntheticRun()) {
    time += 1000;
    view.event(event, "first");
    if (event.type !== "run.finished") view.event(event, "second");
  }
  view.run(report(1, "first", "finished"));
  view.run(report(2, "second", "failed", { code: "diverged", reason: "the loss is NaN" }));
  view.settle();
  return text();
}

describe("a sweep whose ranks train runs of their own", () => {
  it("tells in a log where each run is, its epochs, and what it came to, all by the run's name", () => {
    const text = show({ environment: { CI: "true", NO_COLOR: "1" }, columns: 120 });
    expect(text).toMatch(/^run 1 of 3: first on rank 0 \(host-1\)$/m);
    expect(text).toMatch(/^Resuming run 2 of 3: second on rank 1 \(host-2\)$/m);
    expect(text.match(/^ {2}first: epoch \d\/6, loss .*accuracy, .* of MACs left$/gm)).toHaveLength(6);
    expect(text.match(/^ {2}second: epoch \d\/6/gm)).toHaveLength(6);
    expect(text).toMatch(/^✓ run 1 of 3: first: 82\.70 % accuracy, .* of 40\.\d M MACs, .*$/m);
    expect(text).toMatch(/^✗ run 2 of 3: second failed \[diverged\]\n {2}the loss is NaN$/m);
  });

  it("has a line a rank on a terminal, and how much is left of all", () => {
    const live = show({ isTerminal: true, columns: 120, environment: { TERM: "xterm-256color", NO_COLOR: "1" } });
    expect(live).toMatch(/rank 0 {2}first {3}━+.* \d+ % {2}.* to go {2}loss/);
    expect(live).toMatch(/rank 1 {2}second {2}━+.* \d+ % {2}.* to go {2}loss/);
    expect(live).toMatch(/0 of 3 runs ended, .* to go for the sweep/);
  });

  it("gives each event the name of its run as JSON", () => {
    const lines = show({}, true)
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; run?: string });
    const epochs = lines.filter(({ type }) => type === "epoch");
    expect(epochs.filter(({ run }) => run === "first")).toHaveLength(6);
    expect(epochs.filter(({ run }) => run === "second")).toHaveLength(6);
    expect(lines.filter(({ type }) => type === "sweep.run")).toHaveLength(4);
  });
});

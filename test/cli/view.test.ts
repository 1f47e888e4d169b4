import stringWidth from "string-width";
import { describe, expect, it } from "vitest";
import { fitParts } from "../../src/cli/terminal.ts";
import { bar } from "../../src/cli/view/progress.ts";
import { runView } from "../../src/cli/view/run-view.ts";
import { ranked, syntheticRun } from "../report/synthetic.ts";
import { recordingTerminal } from "./support.ts";

const TERMINAL = { TERM: "xterm-256color" };

/** What a view prints of the synthetic run; a step takes `milliseconds`. */
function show(options: Parameters<typeof recordingTerminal>[0], { json = false, milliseconds = 5000 } = {}): string {
  const { terminal, text } = recordingTerminal(options);
  let time = 0;
  const view = runView(terminal, { json, now: () => time });
  for (const event of syntheticRun()) {
    if (event.type === "step") time += milliseconds;
    view.handle(event);
  }
  view.settle();
  return text();
}

/** Without escape codes. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes begin with one.
  return text.replace(/\u001b\[[?\d;]*[A-Za-z]/g, "");
}

describe("plain lines", () => {
  it("have a row an epoch, then the proof and the table, without escape codes", () => {
    const text = show({ environment: { CI: "true", NO_COLOR: "1" }, isTerminal: true });
    expect(text).toBe(plain(text));
    expect(text.match(/^ +\d\/6 .*% .*\d+\/336 +\d\/9 .*$/gm)).toHaveLength(6);
    expect(text).toMatch(/certificate: pruning changed no answer/);
    expect(text).toMatch(/Test accuracy +82\.70 % +82\.70 %/);
    expect(text).toMatch(/3 structures pruned while training: 40\.\d M → 30\.0 M MACs\n +lowest margin 4\.2e-4, .*812/);
    expect(text).toMatch(/702 → 911 images\/s/);
    expect(text.split("\n").every((line) => stringWidth(line) <= 110)).toBe(true);
  });

  it("say what a budget comes to in each run of several, in lines of 80 columns", () => {
    const { terminal, text } = recordingTerminal({ columns: 80 });
    const view = runView(terminal, { json: false });
    const [started] = syntheticRun();
    if (started?.type !== "run.started") throw new Error("the synthetic run does not start");
    const at = { time: started.time, step: 390, epoch: 1, of: "macs", share: 0.5 } as const;
    for (let run = 0; run < 2; run++) {
      view.handle({ ...started, options: { ...started.options, budget: { of: "macs", share: 0.5 } } });
      view.handle({ type: "budget", ...at, left: 0.9, isMet: false, gamma: {} });
      view.handle({ type: "budget", ...at, left: 0.502, isMet: true, gamma: {} });
    }
    expect(text().match(/budget met: 50\.2 % of the MACs left/g)).toHaveLength(2);
    expect(text()).not.toContain("above the budget again");
    // The ratio of kinds does not fit.
    expect(text()).toContain("  budget: 50 % of the MACs, 345 structures");
    expect(
      text()
        .split("\n")
        .every((line) => stringWidth(line) <= 80),
    ).toBe(true);
  });

  it("tell of the ranks after each epoch and at the end, and name a slow one", () => {
    const { terminal, text } = recordingTerminal({ columns: 120 });
    const view = runView(terminal, { json: false });
    for (const event of syntheticRun()) {
      view.handle(event);
      if (event.type === "epoch") view.handle(ranked(event.epoch, { rank: 3, host: "node-b" }, 4000));
    }
    expect(text().match(/^ +4 ranks: each step waited 3\.00 ms \(3\.0 %\) for all-reduces/gm)).toHaveLength(6);
    expect(text().match(/! rank 3 on node-b is slow: the others waited 4 s for it, 7\.0 % of the epoch/g)).toHaveLength(
      6,
    );
    expect(text()).toMatch(
      /4 ranks: 3\.00 ms of a step \(3\.0 %\) not hidden behind the backward pass, of 12\.0 ms in all/,
    );
    expect(text()).toMatch(/others waited 24 s for rank 3 on node-b, last in 6 epochs\n$/);
  });

  it("tell of progress at most every twenty seconds", () => {
    const steps = syntheticRun().filter(({ type }) => type === "step").length;
    const slow = show({}, { milliseconds: 20_000 });
    expect(slow.match(/step \d+\/2340/g)).toHaveLength(steps);
    expect(show({}, { milliseconds: 10 })).not.toMatch(/step \d+\/2340/);
  });
});

describe("redrawn lines", () => {
  it("are taken away again: what stays is what a log would show", () => {
    const live = show({ isTerminal: true, environment: { ...TERMINAL, NO_COLOR: "1" } });
    expect(live).toContain("\u001b[");
    const rows = /^ +\d\/6 .*% .*\d+\/336 +\d\/9 .*$/gm;
    expect(plain(live).match(rows)).toEqual(show({}).match(rows));
  });

  it("are not redrawn more than ten times a second", () => {
    const options = { isTerminal: true, environment: TERMINAL };
    const often = show(options, { milliseconds: 100 }).match(/to go/g)?.length ?? 0;
    const seldom = show(options, { milliseconds: 10 }).match(/to go/g)?.length ?? 0;
    expect(often).toBeGreaterThan(6 * seldom);
  });

  it.each([30, 56, 80, 140])("never exceed a terminal of %d columns", (columns) => {
    const live = plain(show({ isTerminal: true, columns, environment: TERMINAL }));
    const progress = live.split("\n").filter((line) => /to go|^ {2}(loss|accuracy) \d/.test(line));
    expect(progress.length).toBeGreaterThan(0);
    for (const line of progress) expect(stringWidth(line), line).toBeLessThan(columns);
    for (const row of live.match(/^ +\d\/6 .*$/gm) ?? []) expect(stringWidth(row)).toBeLessThanOrEqual(columns);
  });
});

it("JSON lines are the events", () => {
  const text = show({ isTerminal: true, environment: TERMINAL }, { json: true });
  expect(
    text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual(syntheticRun());
});

it("the bar fills its width at every share", () => {
  for (let share = -0.1; share <= 1.1; share += 0.01) {
    const { filled, empty } = bar(share, 20);
    expect(stringWidth(filled + empty)).toBe(20);
  }
  expect(bar(1, 20).empty).toBe("");
  expect(bar(0, 20).filled).toBe("");
});

it("what does not fit is left out from the end", () => {
  expect(fitParts(["abc", "def", "ghi"], 8)).toBe("abc  def");
  expect(fitParts(["abc", "def", "ghi"], 7)).toBe("abc");
  expect(fitParts(["\u001b[1mabc\u001b[0m", "def"], 8)).toContain("def");
  expect(fitParts([], 8)).toBe("");
});

describe("colours", () => {
  const { isTerminal, environment } = { isTerminal: true, environment: TERMINAL };

  it("are left out where nobody sees them or nobody wants them", () => {
    expect(recordingTerminal({ isTerminal: false, environment }).terminal.colours.level).toBe(0);
    expect(recordingTerminal({ isTerminal, environment: { ...TERMINAL, NO_COLOR: "1" } }).terminal.colours.level).toBe(
      0,
    );
  });

  it("and redrawing are apart: a build server's log has no redrawn lines", () => {
    expect(recordingTerminal({ isTerminal, environment }).terminal.isLive).toBe(true);
    expect(recordingTerminal({ isTerminal, environment: { CI: "true" } }).terminal.isLive).toBe(false);
    expect(recordingTerminal({ isTerminal, environment: { TERM: "dumb" } }).terminal.isLive).toBe(false);
  });
});

import { describe, expect, it } from "vitest";
import { historyOf } from "../../src/report/history.ts";
import type { RunEvent } from "../../src/training/events/events.ts";
import { ranked, syntheticRun } from "./synthetic.ts";

const events = syntheticRun();
const stamp = { time: "2026-01-02T03:04:05.000Z", epoch: 1 };

function zeroed(
  step: number,
  index: number,
  type: "structure.zeroed" | "structure.revived" = "structure.zeroed",
): RunEvent {
  return { type, ...stamp, step, layer: "stage1.block1.conv1", kind: "neuron", index };
}

/** The synthetic run up to its start, with `more` after it. */
function startedWith(...more: readonly RunEvent[]): readonly RunEvent[] {
  const [first] = events;
  if (first === undefined) throw new Error("the synthetic run is empty");
  return [first, ...more];
}

describe("historyOf", () => {
  it("sorts a finished run's events", () => {
    const history = historyOf(events);
    expect(history.sessions).toBe(1);
    expect(history.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(history.finished?.testImages).toBe(10_000);
    expect(history.certificate?.passed).toBe(true);
    expect(history.lives).toHaveLength(18);
  });

  it("puts the speed that was measured to the cut that made it", () => {
    const [shrink, ...more] = historyOf(events).shrinks;
    expect(more).toEqual([]);
    expect(shrink?.cut).toMatchObject({ epoch: 3, stepsNeeded: 40 });
    expect(shrink?.speed?.imagesPerSecond).toEqual({ before: 702.4, after: 911.2 });
    const unmeasured = historyOf(events.filter(({ type }) => type !== "shrink.measured"));
    expect(unmeasured.shrinks.map(({ speed }) => speed)).toEqual([undefined]);
  });

  it("keeps what several ranks took of each epoch, and drops what a session that goes on repeats", () => {
    const [started] = events;
    if (started?.type !== "run.started") throw new Error("the synthetic run does not start");
    const first = ranked(1, { rank: 1, host: "b" }, 800);
    const resumed: RunEvent = { ...started, step: 390, resumedFrom: 390 };
    const again = ranked(2, { rank: 2, host: "c" }, 800);
    const history = historyOf(startedWith(first, ranked(2, { rank: 1, host: "b" }, 800), resumed, again));
    expect(history.communications).toEqual([first, again]);
  });

  it("agrees with the epochs' own counts of what is alive", () => {
    const { lives, epochs } = historyOf(events);
    const counted = lives.map(({ layer, zeroedAt }) => [layer, zeroedAt.filter((step) => step === null).length]);
    expect(counted).toEqual(epochs.at(-1)?.layers.map(({ layer, alive }) => [layer, alive]));
  });

  it("follows a structure that comes back", () => {
    const { lives } = historyOf(startedWith(zeroed(10, 3), zeroed(20, 3, "structure.revived"), zeroed(30, 5)));
    const life = lives.find(({ layer }) => layer === "stage1.block1.conv1");
    expect(life?.zeroedAt[3]).toBeNull();
    expect(life?.zeroedAt[5]).toBe(30);
  });

  it("forgets what an interrupted session did after its last checkpoint", () => {
    const [started] = events;
    if (started?.type !== "run.started") throw new Error("the synthetic run does not start");
    const resumed: RunEvent = { ...started, step: 15, resumedFrom: 15 };
    const history = historyOf(startedWith(zeroed(10, 1), zeroed(20, 2), resumed, zeroed(25, 4)));
    const life = history.lives.find(({ layer }) => layer === "stage1.block1.conv1");
    expect(life?.zeroedAt.slice(0, 5)).toEqual([null, 10, null, null, 25]);
    expect(history.sessions).toBe(2);
  });

  it("ignores events of structures it was never told of", () => {
    expect(() => historyOf(startedWith(zeroed(10, 999)))).not.toThrow();
    expect(historyOf(startedWith(zeroed(10, 999))).lives[0]?.zeroedAt).toHaveLength(16);
  });

  it("refuses events without a start", () => {
    expect(() => historyOf([])).toThrow(/no run.started.*Is this the folder of a run/);
  });
});

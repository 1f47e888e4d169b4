import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addChange, aliveAt, emptyChanges } from "../../src/dashboard/changes.ts";
import { addSample, cutCurve, emptyCurve, MOST_POINTS } from "../../src/dashboard/curve.ts";
import { addEvent, type Digest, emptyDigest, structureCount } from "../../src/dashboard/run-summary.ts";
import { historyOf } from "../../src/report/history.ts";
import type { RunEvent } from "../../src/training/events/events.ts";
import { ranked, syntheticRun } from "../report/synthetic.ts";

function digestOf(events: readonly RunEvent[]): Digest {
  const digest = emptyDigest();
  for (const event of events) addEvent(digest, event);
  return digest;
}

const sampleOf = (value: number) => ({
  ...{ loss: value, learningRate: 0, imagesPerSecond: 0, alive: 0, macs: 0, left: 1 },
  ...{ gammaNeuron: 0, gammaGroup: 0, gammaBlock: 0, gammaStream: 0 },
});

describe("curves", () => {
  it("keep the mean of all samples in bounded memory", () => {
    const curve = emptyCurve();
    const count = 8 * MOST_POINTS;
    for (let step = 1; step <= count; step++) addSample(curve, step, sampleOf(step));
    expect(curve.step.length).toBeLessThanOrEqual(MOST_POINTS);
    expect(curve.step.at(-1)).toBe(count);
    const loss = curve.columns.loss;
    // Every point stands for as many samples: the mean of the means is that of all.
    expect(loss.reduce((sum, value) => sum + value, 0) / loss.length).toBeCloseTo((count + 1) / 2, 6);
    expect([...curve.step].sort((a, b) => a - b)).toEqual(curve.step);
  });

  it("drop what a session that goes on repeats", () => {
    const curve = emptyCurve();
    for (let step = 1; step <= 10; step++) addSample(curve, step, sampleOf(step));
    cutCurve(curve, 6);
    addSample(curve, 7, sampleOf(70));
    expect(curve.step).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(curve.columns.loss.at(-1)).toBe(70);
  });
});

describe("changes of structures", () => {
  it("end in the last state of each structure, however often they are thinned", () => {
    const change = fc.tuple(fc.nat(9), fc.boolean());
    fc.assert(
      fc.property(fc.array(change, { maxLength: 400 }), (list) => {
        const changes = emptyChanges();
        const last = new Uint8Array(10).fill(1);
        for (const [step, [structure, isAlive]] of list.entries()) {
          addChange(changes, step, structure, isAlive, 24);
          last[structure] = isAlive ? 1 : 0;
        }
        expect(aliveAt(changes, 10, list.length)).toEqual(last);
        expect(changes.entries.length).toBeLessThanOrEqual(3 * 24);
      }),
    );
  });

  it("say what was alive at any step", () => {
    const changes = emptyChanges();
    addChange(changes, 5, 1, false, 100);
    addChange(changes, 9, 1, true, 100);
    expect([...aliveAt(changes, 2, 4)]).toEqual([1, 1]);
    expect([...aliveAt(changes, 2, 5)]).toEqual([1, 0]);
    expect([...aliveAt(changes, 2, 9)]).toEqual([1, 1]);
  });
});

describe("a digest", () => {
  const events = syntheticRun();

  it("agrees with the report's history of the same events", () => {
    const digest = digestOf(events);
    const history = historyOf(events);
    expect(digest.epochs.map(({ testAccuracy }) => testAccuracy)).toEqual(
      history.epochs.map(({ testAccuracy }) => testAccuracy),
    );
    expect(digest.curve.columns.loss).toEqual(history.steps.map(({ loss }) => loss));
    const alive = aliveAt(digest.changes, structureCount(digest), digest.step);
    const zeroed = history.lives.flatMap(({ zeroedAt }) => zeroedAt);
    expect([...alive]).toEqual(zeroed.map((step) => (step === null ? 1 : 0)));
    expect(digest.finished).toEqual(history.finished);
    expect(digest.shrinks.map(({ structures, margin }) => [structures, margin])).toEqual([[3, 0.00042]]);
  });

  it("is the same whether it was folded at once or carried over in JSON half-way", () => {
    const half = Math.floor(events.length / 2);
    const carried = JSON.parse(JSON.stringify(digestOf(events.slice(0, half)))) as Digest;
    for (const event of events.slice(half)) addEvent(carried, event);
    expect(carried).toEqual(digestOf(events));
  });

  it("keeps what several ranks took, an entry an epoch", () => {
    const [started] = events;
    if (started?.type !== "run.started") throw new Error("the run does not begin with its start");
    const epochs = [1, 2, 3].map((epoch) => ranked(epoch, { rank: 1, host: "b" }, 800));
    const digest = digestOf([started, ...epochs]);
    expect(digest.communications.map(({ epoch, exposedMilliseconds }) => [epoch, exposedMilliseconds])).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    addEvent(digest, { ...started, step: 390, resumedFrom: 390 });
    expect(digest.communications.map(({ epoch }) => epoch)).toEqual([1]);
  });

  it("forgets what a resumed session repeats", () => {
    const [started] = events;
    if (started?.type !== "run.started") throw new Error("the run does not begin with its start");
    const from = 3 * 390;
    const digest = digestOf([...events, { ...started, step: from, resumedFrom: from }]);
    expect(digest.sessions).toBe(2);
    expect(digest.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(Math.max(...digest.curve.step)).toBeLessThanOrEqual(from);
  });
});

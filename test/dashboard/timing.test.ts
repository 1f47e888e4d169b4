/** How the page times networks, with a clock and a runtime of the test's own. */
import { expect, test } from "vitest";
import {
  measurePlan,
  type NetworkTimer,
  type Progress,
  type Timing,
  timeLayer,
  timeNetwork,
} from "../../src/dashboard/timing.ts";
import type { TimedFile, TimingPlan } from "../../src/latency/timing-plan.ts";

/** A clock that shows only multiples of `step` milliseconds, and runs that take their time on it. */
function clock(step: number): {
  readonly now: () => number;
  readonly run: (time: () => number) => () => Promise<void>;
} {
  let time = 0;
  return {
    now: () => Math.floor(time / step) * step,
    run: (taken) => async () => {
      time += taken();
    },
  };
}

test.each([
  ["a fine clock", 0.001],
  ["a clock of a tenth of a millisecond", 0.1],
  ["a clock of a millisecond", 1],
])("a layer's time is found with %s", async (_, step) => {
  const { now, run } = clock(step);
  const [one, many] = [run(() => 0.3), run(() => 0.3 + 8 * 0.05)];
  const { milliseconds, isNoisy } = await timeLayer(one, many, 8, now);
  // 20 ms of runs are wrong by a step of the clock at most, at each end.
  expect(Math.abs(milliseconds - 0.05)).toBeLessThanOrEqual((step / 20) * 0.5);
  expect(isNoisy).toBe(false);
  const whole = await timeNetwork(
    run(() => 7),
    now,
  );
  expect(Math.abs(whole.milliseconds - 7)).toBeLessThanOrEqual(step / 2);
});

test("a pause now and then changes nothing; runs of all lengths are noise", async () => {
  const { now, run } = clock(0.001);
  let count = 0;
  const steady = await timeNetwork(
    run(() => (++count % 400 === 0 ? 60 : 0.4)),
    now,
  );
  expect(steady.milliseconds).toBeCloseTo(0.4, 1);
  let length = 20;
  const noisy = await timeNetwork(
    run(() => (length = length === 20 ? 60 : 20)),
    now,
  );
  expect(noisy.isNoisy).toBe(true);
});

const file: TimedFile = { file: "", inputs: {} };
const layer = (key: string) => ({ key, outputs: 8, inputs: 4, copies: 2, one: file, many: file });
const plan: TimingPlan = {
  ...{ network: "n", layers: [layer("a"), layer("b")], whole: file, empty: file, own: [0, 1, 1] },
};
const exact = (milliseconds: number): Timing => ({ milliseconds, spread: 0, isNoisy: false });
const inSight = { hidden: () => 0, seen: () => Promise.resolve() };

/** A timer that gives these timings in turn. */
function timer(networks: readonly Timing[], layers: readonly Timing[]): NetworkTimer {
  const next = { network: 0, layer: 0 };
  const after = (timings: readonly Timing[], kind: "network" | "layer"): Promise<Timing> => {
    const timing = timings[next[kind]++];
    return timing === undefined ? Promise.reject(new Error("asked too often")) : Promise.resolve(timing);
  };
  return { network: () => after(networks, "network"), layer: () => after(layers, "layer") };
}

test("a plan is timed once, with its progress", async () => {
  const told: Progress[] = [];
  const networks = [exact(10), exact(1), exact(10.4)];
  const times = await measurePlan(plan, timer(networks, [exact(3), { ...exact(2), spread: 0.1 }]), inSight, (one) =>
    told.push(one),
  );
  expect(times).toEqual({ milliseconds: [3, 2], whole: 10.2, empty: 1, spread: 0.2 / 7 });
  expect(told.map(({ done, of }) => `${done} of ${of}`)).toEqual(["0 of 5", "1 of 5", "2 of 5", "3 of 5", "4 of 5"]);
  expect(told[2]?.name).toBe("a: 4 to 8 channels");
});

test("what was timed while the page was hidden is timed again", async () => {
  let hidden = 0;
  const told: (string | undefined)[] = [];
  const measured = [exact(50), exact(3), exact(2)];
  const inner = timer([exact(10), exact(1), exact(10)], measured);
  const hiding: NetworkTimer = {
    ...inner,
    layer: (one) => {
      if (hidden === 0) hidden = 1;
      return inner.layer(one);
    },
  };
  const sight = { hidden: () => hidden, seen: () => Promise.resolve() };
  const { milliseconds } = await measurePlan(plan, hiding, sight, ({ again }) => told.push(again));
  expect(milliseconds).toEqual([3, 2]);
  expect(told.filter((again) => again !== undefined)).toEqual(["hidden"]);
});

test("noise is timed again, three times in all", async () => {
  const noisy = { ...exact(9), isNoisy: true };
  const told: (string | undefined)[] = [];
  const layers = [noisy, exact(3), noisy, noisy, noisy];
  const timing = timer([exact(10), exact(1), exact(10)], layers);
  const { milliseconds } = await measurePlan(plan, timing, inSight, ({ again }) => told.push(again));
  expect(milliseconds).toEqual([3, 9]);
  expect(told.filter((again) => again !== undefined)).toEqual(["noisy", "noisy", "noisy"]);
});

test.each([
  ["layers", [exact(10), exact(1), exact(10)], [exact(3), { ...exact(2), spread: 1.2 }], "by 34 %"],
  ["a device that gets slower", [exact(10), exact(1), exact(20)], [exact(3), exact(2)], "by 33 %"],
])("too large a spread is refused: of %s", async (_, networks, layers, words) => {
  await expect(measurePlan(plan, timer(networks, layers), inSight, () => undefined)).rejects.toThrow(words);
});

test("a network that cannot be run ends it", async () => {
  await expect(measurePlan(plan, timer([], []), inSight, () => undefined)).rejects.toThrow("asked too often");
});

/** γ over a run: the policies there are against ones written by hand, and what is said of one that will not do. */
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { tensor } from "../../src/core/tensor.ts";
import { gammasOf } from "../../src/selection/factors.ts";
import { DelayedGamma, type GammaPolicy } from "../../src/training/gamma/gamma-policy.ts";
import { resume } from "../../src/training/resume.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyResnet, trainTiny } from "./tiny.ts";

const data = tinyDataset();
/** Four epochs of six steps; what stays at zero is cut on the way. */
const options: TrainOptions = {
  data,
  engine: "reference",
  epochs: 4,
  batch: 16,
  select: { neurons: 0.4, blocks: 0.4 },
  shrink: { patience: 1, rebuildSteps: 0 },
  latency: false,
};

let folder: string;
beforeEach(() => {
  folder = join(temporaryFolder(), "run");
});

/** `times` the γ of the settings, by the steps done. */
function policy(times: (step: number) => number): GammaPolicy {
  return { name: "mine", gammas: ({ step, factors }) => gammasOf(factors, times(step)) };
}

test("a policy with the γ of the settings trains and prunes the same network, bit for bit", async () => {
  const plain = await trainTiny(options);
  const own = await trainTiny({ ...options, gammaPolicy: policy(() => 1) });
  expect(plain.events.some(({ type }) => type === "network.shrunk")).toBe(true);
  expect(own.run.network.weights).toEqual(plain.run.network.weights);
});

test("γ after an epoch and a half is a policy of no γ for nine steps", async () => {
  const delayed = await trainTiny({ ...options, gammaAfter: 1.5 });
  const own = await trainTiny({ ...options, gammaPolicy: policy((step) => (step < 9 ? 0 : 1)) });
  expect(own.run.network.weights).toEqual(delayed.run.network.weights);
  const other = await trainTiny({ ...options, gammaPolicy: policy((step) => (step < 10 ? 0 : 1)) });
  expect(other.run.network.weights).not.toEqual(delayed.run.network.weights);
});

test("before its time γ is zero for every structure, then that of its kind and its cost", () => {
  const delayed = new DelayedGamma(3);
  const factors = [
    { parameter: "λ", kind: "neuron", layer: "a", count: 2, gamma: 0.5, gammaScale: [1, 3], keepLast: false },
  ] as const;
  const at = (step: number): unknown => delayed.gammas({ step, factors }).get("λ");
  expect([at(0), at(2)]).toEqual([tensor([2]), tensor([2])]);
  expect(at(3)).toEqual(tensor([2], Float32Array.of(0.5, 1.5)));
  // Nothing changes: whoever compares maps sees so.
  expect(at(4)).toBe(at(3));
});

test("a run goes on with the policy that it began with, and without another", async () => {
  const rising = (): GammaPolicy => policy((step) => step / 24);
  const whole = await trainTiny({ ...options, gammaPolicy: rising() });
  const controller = new AbortController();
  const stopped = train(tinyResnet(), {
    ...options,
    folder,
    gammaPolicy: rising(),
    signal: controller.signal,
    hooks: [{ name: "stop", afterStep: ({ step }) => (step === 8 ? controller.abort() : undefined) }],
  });
  await expect(stopped).rejects.toMatchObject({ code: "interrupted" });
  await expect(resume(folder, { data })).rejects.toMatchObject({
    code: "bad-option",
    message: expect.stringContaining('with the γ policy "mine"'),
  });
  const resumed = await resume(folder, { data, gammaPolicy: rising() });
  expect(resumed.network.weights).toEqual(whole.run.network.weights);
});

test.each([
  ["a budget", { budget: "60%" }],
  ["a delay", { gammaAfter: 1 }],
])("two that decide on γ are refused: a policy and %s", async (_, settings) => {
  const run = train(tinyResnet(), { ...options, ...settings, folder, gammaPolicy: policy(() => 1) });
  await expect(run).rejects.toMatchObject({ code: "bad-option", message: expect.stringContaining("both decide γ") });
});

test("a policy that leaves out a factor is told of it", async () => {
  const own: GammaPolicy = { name: "mine", gammas: () => new Map([["block1.conv1.neuron.factor", tensor([4])]]) };
  await expect(train(tinyResnet(), { ...options, folder, gammaPolicy: own })).rejects.toMatchObject({
    code: "bad-option",
    message: expect.stringContaining("one γ for each structure"),
  });
});

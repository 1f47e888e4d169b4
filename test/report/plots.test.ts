/** The curves of costs: which there are, and what they are called. */
import { expect, test } from "vitest";
import { type Progress, plotsOf } from "../../src/report/plots.ts";

const progress: Progress = {
  ...{ epochs: 2, test: [], train: [], loss: [], learningRate: [], speed: [], kinds: [] },
  macs: [
    [0, 100],
    [2, 60],
  ],
  budgeted: [
    [0, 100],
    [2, 50],
  ],
  budget: undefined,
  waiting: { sums: [], slowest: [] },
};

function namesFor(of: NonNullable<Progress["budget"]>["of"] | undefined): readonly string[] {
  const budget = of === undefined ? undefined : { of, share: 0.5 };
  const cost = plotsOf({ ...progress, budget }).find(({ title }) => title === "Cost left");
  return cost?.series.map(({ name, points }) => `${name} ${points.at(-1)?.[1]}`) ?? [];
}

test("the cost that a budget counts has its curve beside that of MACs", () => {
  expect(namesFor(undefined)).toEqual(["MACs 60"]);
  expect(namesFor("macs")).toEqual(["MACs 60", "budget 50"]);
  expect(namesFor("parameters")).toEqual(["MACs 60", "parameters 50", "budget of parameters 50"]);
  expect(namesFor("latency")).toEqual(["MACs 60", "predicted latency 50", "budget of latency 50"]);
});

import { describe, expect, test } from "vitest";
import { tensor } from "../../src/core/tensor.ts";
import { cost } from "../../src/graph/cost.ts";
import { model } from "../../src/models/zoo.ts";
import { gammaFeeds, gammasOf } from "../../src/selection/factors.ts";
import { place } from "../../src/selection/place.ts";
import { shareGamma, structureCosts } from "../../src/selection/structure-costs.ts";
import { families, postActivation } from "../pruning/families.ts";

const resnet = place(model("resnet-20", { classes: 10 }), { neurons: 0.001, blocks: 0.02, streams: 0.003 });

describe("costs by hand", () => {
  const costs = structureCosts(resnet.graph, resnet.factors);
  const of = (parameter: string) => costs.factors.find(({ factor }) => factor.parameter === parameter);

  test("a neuron of ResNet-20: its row, its batch norm, its column in the next layer", () => {
    const found = of("stage1.block2.conv1.neuron.factor");
    const [macs, parameters] = [(16 * 9 + 16 * 9) * 32 * 32, 16 * 9 + 2 + 16 * 9];
    expect(found?.each).toEqual(Array.from({ length: 16 }, () => ({ macs, parameters })));
    expect(found?.all).toEqual({ macs: 16 * macs, parameters: 16 * parameters });
    expect([found?.outputsOf, found?.inputsOf]).toEqual([["stage1.block2.conv1"], ["stage1.block2.conv2"]]);
  });

  test("a block: its two convolutions and batch norms", () => {
    expect(of("stage2.block2.add.block.factor")).toMatchObject({
      all: { macs: 2 * 9 * 32 * 32 * 16 * 16, parameters: 2 * (9 * 32 * 32 + 2 * 32) },
      outputsOf: ["stage2.block2.conv1", "stage2.block2.conv2"],
    });
  });

  test("a channel of the stream that only the last stage has", () => {
    const found = of("stage1.block1.add.stream.factor");
    // Rows of three conv2, columns of two conv1 (the first one reads the stage before) and of the classifier.
    expect(found?.each[0]).toEqual({ macs: (3 + 2) * 9 * 64 * 64 + 10, parameters: (3 + 2) * 9 * 64 + 3 * 2 + 10 });
    // Everything but the classifier's biases: all weights have a row or a column in the stream.
    const whole = cost(resnet.graph);
    expect(found?.all.macs).toBe(whole.macs);
  });

  test("a kind together counts what two structures share once", () => {
    const whole = cost(resnet.graph);
    // Left are the stem and the classifier; nothing else is without a neuron at one of its ends, or outside all blocks.
    const stem = { macs: 3 * 9 * 16 * 1024, parameters: 3 * 9 * 16 + 2 * 16 };
    expect(costs.kinds.get("block")).toEqual({
      macs: whole.macs - stem.macs - 640,
      parameters: whole.parameters - stem.parameters - 650,
    });
    expect(costs.kinds.get("neuron")?.macs).toBe(whole.macs - stem.macs - 640);
    expect(costs.kinds.has("group")).toBe(false);
  });
});

describe("γ by cost", () => {
  test.each(["macs", "parameters"] as const)("keeps the mean γ of each kind, in proportion to the %s", (measure) => {
    for (const plain of families) {
      const { graph, factors } = place(plain, {});
      expect(shareGamma(graph, factors, measure)).toEqual([]);
    }
    const shared = shareGamma(resnet.graph, resnet.factors, measure);
    const costs = structureCosts(resnet.graph, shared).factors;
    const feeds = gammaFeeds(gammasOf(shared));
    for (const kind of ["neuron", "block", "stream"] as const) {
      const own = costs.filter(({ factor }) => factor.kind === kind);
      const gammas = own.flatMap(({ factor }) => [...(feeds[`${factor.parameter}.gamma`]?.data ?? [])]);
      const each = own.flatMap((one) => one.each.map((structure) => structure[measure]));
      const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
      const gamma = own[0]?.factor.gamma ?? 0;
      expect(sum(gammas) / gammas.length / gamma).toBeCloseTo(1, 5);
      for (const [index, value] of gammas.entries()) {
        expect(value / (gamma * ((each[index] ?? 0) / (sum(each) / each.length)))).toBeCloseTo(1, 5);
      }
    }
  });

  test("is one number for a layer whose structures cost the same, one each where they do not", () => {
    const { graph, factors } = place(postActivation("A"), { neurons: 0.1, streams: 0.1 });
    const shared = shareGamma(graph, factors, "macs");
    expect(shared.find(({ kind }) => kind === "neuron")?.gammaScale).toHaveLength(1);
    expect(shared.find(({ kind }) => kind === "stream")?.gammaScale).toHaveLength(12);
    expect(shareGamma(graph, factors, "none")).toBe(factors);
  });

  test("reaches the step through the feeds, a factor each", () => {
    const factor = {
      parameter: "a.neuron.factor",
      kind: "neuron",
      layer: "a",
      count: 3,
      gamma: 2,
      keepLast: false,
    } as const;
    expect(gammaFeeds(gammasOf([{ ...factor, gammaScale: [0.5] }]))["a.neuron.factor.gamma"]).toEqual(
      tensor([3], Float32Array.of(1, 1, 1)),
    );
    expect(gammaFeeds(gammasOf([{ ...factor, gammaScale: [0.5, 1, 2] }]))["a.neuron.factor.gamma"]).toEqual(
      tensor([3], Float32Array.of(1, 2, 4)),
    );
  });
});

import { describe, expect, it } from "vitest";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { tinyResnet } from "../training/tiny.ts";
import { networkCases, opCases } from "./cases.ts";
import { expectGradientsOfDifferences } from "./conformance.ts";
import { describePlanContract, errorOf } from "./plan-contract.ts";

describe("gradients of ops, against finite differences", () => {
  it.each(opCases)("$name", (testCase) => {
    expectGradientsOfDifferences(testCase, { samples: 10, step: 2 ** -10, tolerance: 2e-3 });
  });
});

describe("gradients of networks, against finite differences", () => {
  it.each(networkCases)("$name", (testCase) => {
    expectGradientsOfDifferences(testCase, { samples: 4, step: 2 ** -13, tolerance: 1e-2 });
  });
});

describe("a plan", () => {
  describePlanContract(createReferenceEngine);

  it("is not made in bf16", () => {
    const graph = tinyResnet();
    const prepare = () => createReferenceEngine().prepare(graph, { batch: 1, precision: "bf16" });
    expect(errorOf(prepare)).toMatchObject({ code: "engine-refused", message: expect.stringContaining("bf16") });
  });
});

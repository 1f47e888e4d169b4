import { describe, expect, it } from "vitest";
import { vectorJacobianGraph } from "../../src/autodiff/gradient-graph.ts";
import { required } from "../../src/core/errors.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { isaAmx } from "../../src/engine/onednn/ffi/constants.ts";
import { oneDnn } from "../../src/engine/onednn/ffi/library.ts";
import { createOneDnnEngine } from "../../src/engine/onednn/index.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import {
  amxFormulationCases,
  formulationCases,
  networkCases,
  opCases,
  wideCases,
  wideFormulationCases,
} from "./cases.ts";
import { expectNearReferenceInBf16, expectSameAsReference } from "./conformance.ts";
import { describePlanContract } from "./plan-contract.ts";
import { relativeDifference } from "./random-data.ts";
import { train } from "./training-steps.ts";

const engine = createOneDnnEngine({ threads: 2 });
const library = oneDnn();

describe("ops, forward and backward, against the reference", () => {
  it.each(opCases)("$name", (testCase) => expectSameAsReference(engine, testCase));
});

describe("networks, forward and backward, against the reference", () => {
  it.each([...networkCases, ...wideCases])("$name", (testCase) => expectSameAsReference(engine, testCase));
});

const hasBf16 = engine.precisions.includes("bf16");

describe.runIf(hasBf16)("ops and networks in bf16, near the reference in f32", () => {
  it.each([...opCases, ...networkCases, ...wideCases])("$name", (testCase) =>
    expectNearReferenceInBf16(engine, testCase),
  );
});

describe.skipIf(hasBf16)("bf16 on a processor without it", () => {
  it("is refused", () => {
    const { graph, batch } = required(opCases[0], "a case");
    expect(() => engine.prepare(graph, { batch, precision: "bf16" })).toThrow(/bf16/);
  });
});

describe.each(networkCases)("any implementation that tuning may choose: $name", (testCase) => {
  // Which one is fastest is a matter of the machine and of the moment; each must be right. They differ in their
  // layouts.
  const plan = engine.prepare(vectorJacobianGraph(testCase.graph, { inputs: true }), { batch: testCase.batch });
  const keys = Object.keys(plan.choices).filter((key) => key.startsWith("forward"));
  plan.dispose();

  it.each(["any jit:sse41", "any jit:avx2", "nhwc jit:avx2"])(
    "%s for every convolution forward that it fits",
    (chosen) => {
      const choices = Object.fromEntries(keys.map((key) => [key, chosen]));
      const forcing: Engine = {
        ...engine,
        prepare: (graph, options) => engine.prepare(graph, { ...options, choices }),
      };
      expectSameAsReference(forcing, testCase);
    },
  );
});

const hasAmx = (library.instructionSet & isaAmx) === isaAmx;

describe.each([...formulationCases, ...(hasBf16 ? wideFormulationCases : []), ...(hasAmx ? amxFormulationCases : [])])(
  "formulations that tuning may choose: $name",
  ({ offered, ...testCase }) => {
    const graph = vectorJacobianGraph(testCase.graph, { inputs: true });
    const precisions = engine.precisions.filter((precision) => offered[precision] !== undefined);

    it.each(precisions)("%s", (precision) => {
      const { batch } = testCase;
      const isTaken = ["b", "l"].map((letter) => {
        const free = engine.prepare(graph, { batch, precision });
        const layouts = Object.entries(free.choices)
          .filter(([key]) => key.startsWith("layouts of "))
          .map(([key, letters]) => [key, letter.repeat(letters.length)] as const);
        free.dispose();
        const laidOut = engine.prepare(graph, { batch, precision, choices: Object.fromEntries(layouts) });
        const keys = Object.keys(laidOut.choices);
        laidOut.dispose();
        const chosen = keys.flatMap((key) => {
          const direction = offered[precision]?.find(([start]) =>
            key.replace(/ (nChw\d+c|nhwc) /, " ").startsWith(start),
          );
          const fits = direction !== undefined && isOfLayout(direction[1], letter) && !key.includes(" image");
          return fits ? [[key, direction[1]] as const] : [];
        });
        const choices = Object.fromEntries([...layouts, ...chosen]);
        const forcing: Engine = {
          ...engine,
          prepare: (each, options) => {
            const plan = engine.prepare(each, { ...options, choices });
            // Other versions of the library have other kernels.
            if (library.abi.major === 2) expect(plan.choices).toMatchObject(choices);
            return plan;
          },
        };
        if (precision === "f32") expectSameAsReference(forcing, testCase);
        else expectNearReferenceInBf16(forcing, testCase);
        return chosen.length > 0;
      });
      expect(isTaken).toContain(true);
    });
  },
);

/** Whether an implementation by its name works on images in blocks ("b") or with the channels last ("l"). */
function isOfLayout(name: string, letter: string): boolean {
  return (
    /^(nhwc|volume ndhwc|\d+ matrix products|pixels that are met|\d+ images|forward, with)/.test(name) ===
    (letter === "l")
  );
}

describe("training steps", () => {
  it.each([...networkCases, ...wideCases])("follow the reference: $name", ({ graph: forward, batch, frozen }) => {
    const training = { forward, batch, batchNormalization: frozen ? "frozen" : "batch" } as const;
    // A ReLU or a maximum may tip over by rounding, and from there on two right engines part: few steps, looser bound.
    const [ours, reference] = [engine, createReferenceEngine()].map((each) => train(each, training, 0, 3));
    expect(
      relativeDifference(Float32Array.from(ours?.losses ?? []), Float32Array.from(reference?.losses ?? [])),
    ).toBeLessThan(1e-3);
    for (const [name, expected] of required(reference, "a training run").state) {
      const actual = required(ours?.state.get(name), name);
      expect(relativeDifference(actual.data, expected.data), name).toBeLessThan(5e-3);
    }
  });

  it.each(networkCases)(
    "continue bit for bit from stored values and choices: $name",
    ({ graph: forward, batch, frozen }) => {
      const training = { forward, batch, batchNormalization: frozen ? "frozen" : "batch" } as const;
      const whole = train(engine, training, 0, 4);
      const { state, choices } = train(engine, training, 0, 2, { choices: whole.choices });
      const resumed = train(engine, training, 2, 4, { state, choices });
      expect(resumed.losses).toEqual(whole.losses.slice(2));
      expect(resumed.state).toEqual(whole.state);
    },
  );
});

describe("a plan", () => {
  describePlanContract(() => engine);
});

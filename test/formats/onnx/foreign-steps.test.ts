/** Networks of other tools take training steps, with factors on all structures, and both engines agree on the loss. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { required } from "../../../src/core/errors.ts";
import type { Engine } from "../../../src/engine/engine.ts";
import { createOneDnnEngine } from "../../../src/engine/onednn/index.ts";
import { createReferenceEngine } from "../../../src/engine/reference/index.ts";
import { randomStep } from "../../../src/evaluation/step-time.ts";
import { loadOnnx } from "../../../src/formats/onnx/index.ts";
import { initialize } from "../../../src/models/initialize.ts";
import { selectionKeys } from "../../../src/selection/factors.ts";
import { place, structureKinds } from "../../../src/selection/place.ts";

const BATCH = 4;
const STEPS = 3;

const kindsOf = {
  "attention-17": ["neuron", "stream"],
  "context-17": ["neuron", "block", "stream"],
  "convnext-17": ["neuron", "block"],
  "functions-17": ["neuron"],
  "norms-14": ["neuron", "group"],
  "responses-17": [],
  "sums-17": ["neuron", "block"],
  "transformer-17": ["neuron", "block"],
  "windows-17": ["neuron", "block"],
} as const;

test.each(Object.entries(kindsOf))("%s", async (name, kinds) => {
  const plain = await loadOnnx(fileURLToPath(new URL(`fixtures/${name}.onnx`, import.meta.url)));
  expect(structureKinds(plain.graph)).toEqual(kinds);
  const { graph, factors } = place(plain.graph, Object.fromEntries(kinds.map((kind) => [selectionKeys[kind], 0.01])));
  const network = { graph, weights: new Map([...initialize(graph, 1), ...plain.weights]) };
  const step = randomStep({ network, factors }, BATCH);
  const losses = (engine: Engine): number[] => {
    const plan = engine.prepare(step.graph, { batch: BATCH });
    plan.write(step.weights);
    const found = Array.from({ length: STEPS }, () => {
      return required(plan.run(step.feeds)["loss"], "the loss").data[0] ?? Number.NaN;
    });
    plan.dispose();
    return found;
  };
  const expected = losses(createReferenceEngine());
  const found = losses(createOneDnnEngine({ threads: 1 }));
  for (const [index, loss] of expected.entries()) expect(found[index]).toBeCloseTo(loss, 4);
  // The same images each time.
  expect(expected.at(-1)).toBeLessThan(expected[0] ?? Number.NaN);
});

/** Compares what a file made by hand gives in ONNX Runtime with what is read from it, or expects that it is refused. */
import { describe, expect, test } from "vitest";
import { UserError } from "../../../src/core/errors.ts";
import { type Tensor, tensor } from "../../../src/core/tensor.ts";
import { createReferenceEngine } from "../../../src/engine/reference/index.ts";
import { openRuntime } from "../../../src/evaluation/onnx-runtime.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../../src/formats/onnx/write.ts";
import type { Network } from "../../../src/graph/graph.ts";
import { compact } from "../../../src/pruning/compact.ts";
import { normal, relativeDifference } from "../../engine/random-data.ts";
import { type ModelParts, onnxModel } from "./models.ts";

export const BATCH = 3;

export async function runtimeAnswer(bytes: Uint8Array, images: Tensor): Promise<Tensor> {
  const session = await openRuntime(bytes, "the file");
  const answer = (await session.run(images)).get("y");
  await session.dispose();
  if (answer === undefined) throw new Error("no output");
  return answer;
}

export function ownAnswer({ graph, weights }: Network, images: Tensor): Tensor {
  const plan = createReferenceEngine().prepare(graph, { batch: BATCH });
  plan.write(weights);
  return plan.run({ x: images })["y"] ?? tensor([0]);
}

/**
 * Expects the same outputs from the file, from the network that was read, written and read again, and from the network
 * after pruning.
 */
export async function expectRight(parts: ModelParts): Promise<Network> {
  const bytes = onnxModel(parts);
  const images = normal([BATCH, ...parts.features], 6, "images");
  const expected = await runtimeAnswer(bytes, images);
  const network = readOnnx(bytes, "form.onnx");
  const small = compact(network).network;
  const answers = [network, small].map((each) => ownAnswer(each, images));
  answers.push(await runtimeAnswer(writeOnnx(network), images), await runtimeAnswer(writeOnnx(small), images));
  for (const { shape, data } of answers) {
    expect(shape).toEqual(expected.shape);
    expect(relativeDifference(data, expected.data)).toBeLessThan(1e-5);
  }
  expect(readOnnx(writeOnnx(network), "written.onnx").graph).toEqual(network.graph);
  return network;
}

/** A file made by hand that is refused as unsupported, by a message like this one. */
export type RefusedForm = readonly [name: string, parts: ModelParts, message: RegExp];

/** Declares a test of each. */
export function testRefusals(forms: readonly RefusedForm[]): void {
  describe("forms that are not supported are refused by the name of their node", () => {
    test.each(forms)("%s", (_, parts, message) => {
      let error: unknown;
      try {
        readOnnx(onnxModel(parts), "form.onnx");
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(UserError);
      expect(error).toMatchObject({ code: "unsupported", message: expect.stringMatching(message) });
    });
  });
}

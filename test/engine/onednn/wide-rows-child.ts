/** Run by `faults.test.ts`: the gradient of weights of images 512 pixels wide, by the library's AMX kernel for it. */
import { argument } from "../../../src/engine/onednn/ffi/constants.ts";
import { oneDnn } from "../../../src/engine/onednn/ffi/library.ts";
import { describeMemory } from "../../../src/engine/onednn/ffi/memory.ts";
import { type ConvolutionDirection, convolutionOperation } from "../../../src/engine/onednn/ffi/operations.ts";
import { firstImplementation, implementations } from "../../../src/engine/onednn/ffi/primitive.ts";
import { Trial } from "../../../src/engine/onednn/planner/trial.ts";

const library = oneDnn();
library.calls.setThreads(1);
const image = describeMemory(library, [2, 32, 8, 512], "nhwc", "bf16");
const attributes = {
  strides: [1, 1],
  padding: { top: 1, left: 1, bottom: 1, right: 1 },
  dilation: [1, 1],
  groups: 1,
} as const;
const operation = (direction: ConvolutionDirection) => {
  const weights = describeMemory(library, [32, 32, 3, 3], "any", direction === "forward" ? "bf16" : "f32");
  return convolutionOperation(direction, "direct", { src: image, weights, bias: undefined, dst: image }, attributes);
};
const hint = firstImplementation(library, operation("forward"));
for (const primitive of implementations(library, operation("backward weights"), hint, library.attributes)) {
  if (!/^jit:.*amx/.test(primitive.implementation)) continue;
  const weights = primitive.memory("diffWeights");
  const trial = new Trial(library, {
    name: primitive.implementation,
    parts: [
      {
        primitive,
        arguments: [
          { index: argument.src, role: "src" },
          { index: argument.diffDst, role: "dst" },
          { index: argument.diffWeights, role: "weights" },
        ],
      },
    ],
    operands: { src: { descriptor: image }, dst: { descriptor: image }, weights: { descriptor: weights } },
    inputs: ["src", "dst"],
    output: "weights",
    reorders: [],
  });
  for (let run = 0; run < 4; run++) trial.run();
  trial.free();
}
console.log("done");

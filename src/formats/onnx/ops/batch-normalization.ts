/** ONNX `BatchNormalization` ↔ batch normalization, in its inference form. */
import { complementOf, shortestDecimal } from "../decimal.ts";
import type { ReadRule, WriteRule } from "../rules.ts";

export const writeBatchNormalization: WriteRule<"batch_normalization"> = (node, context) => {
  const { epsilon, momentum } = node.attributes;
  const [src = "", ...parameters] = node.inputs;
  context.write("BatchNormalization", node, [src, ...parameters.map((parameter) => context.view(parameter))], {
    epsilon: { float: epsilon },
    momentum: { float: 1 - momentum },
  });
  context.keepExact(node, "epsilon", epsilon, shortestDecimal(epsilon));
  context.keepExact(node, "momentum", momentum, recoverMomentum(momentum));
};

/** The momentum that is read back after `momentum` was written. */
function recoverMomentum(momentum: number): number {
  return complementOf(1 - momentum);
}

export const readBatchNormalization: ReadRule = (node, context) => {
  node.check(node.int("training_mode", 0) === 0, "is in training mode; export the network for inference");
  node.check(node.int("spatial", 1) === 1, "normalises each activation separately (spatial = 0)");
  node.int("is_test", 1);
  const epsilon = shortestDecimal(node.float("epsilon", 1e-5));
  const momentum = complementOf(node.float("momentum", 0.9));
  node.check(epsilon >= 0, "epsilon must not be negative", "0 or more", `${epsilon}`);
  node.check(momentum >= 0 && momentum <= 1, "momentum must lie between 0 and 1", "0 to 1", `${1 - momentum}`);
  const parameters = [1, 2, 3, 4].map((index) => context.parameter(node, node.input(index)));
  context.add(node, "batch_normalization", [node.input(0), ...parameters], {
    epsilon: context.exact(node, "epsilon", epsilon, shortestDecimal),
    momentum: context.exact(node, "momentum", momentum, recoverMomentum),
  });
};

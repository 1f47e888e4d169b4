/** Ops of ONNX that leave an activation as it is when a network is used: they are passed over, and their readers read what they did. */
import type { ReadRule } from "../rules.ts";

export const readIdentity: ReadRule = (node, context) => {
  context.alias(node, node.input(0));
};

/** Drops nothing outside of training. */
export const readDropout: ReadRule = (node, context) => {
  node.float("ratio", 0.5);
  node.int("seed", 0);
  node.int("is_test", 1);
  const training = node.inputs[2] ?? "";
  const isTraining = training !== "" && context.constant(training)?.values[0] !== 0;
  node.check(!isTraining, "is in training mode; export the network for inference");
  context.alias(node, node.input(0));
};

/** From one floating-point type to another: here all of them are 32 bits. */
const floatTypes: ReadonlySet<number> = new Set([1, 10, 11, 16]);

export const readCast: ReadRule = (node, context) => {
  const to = node.int("to");
  node.int("saturate", 1);
  node.int("round_mode", 0);
  node.check(floatTypes.has(to), "casts an activation to what is not a float", "FLOAT (1)", `type ${to}`);
  context.alias(node, node.input(0));
};

/**
 * Ops of ONNX that leave an activation as it is when a network is used: they are passed over, and their readers read
 * what they did.
 */
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
const shortTypes: ReadonlyMap<number, string> = new Map([
  [10, "FLOAT16"],
  [16, "BFLOAT16"],
]);

export const readCast: ReadRule = (node, context) => {
  const to = node.int("to");
  node.int("saturate", 1);
  node.int("round_mode", 0);
  node.check(floatTypes.has(to), "casts an activation to what is not a float", "FLOAT (1)", `type ${to}`);
  // A network of short floats is computed in 32 bits as a whole; where a part of it is rounded, other numbers come out.
  const short = context.inputTypes.has(to) ? undefined : shortTypes.get(to);
  node.check(short === undefined, "rounds an activation to 16 bits; export the network in 32", "FLOAT (1)", short);
  context.alias(node, node.input(0));
};

/** ONNX ops that have no effect at inference. They add no node: their output is an alias of their input. */
import type { ReadRule } from "../rules.ts";

export const readIdentity: ReadRule = (node, context) => {
  context.alias(node, node.input(0));
};

/** Dropout has no effect outside of training. */
export const readDropout: ReadRule = (node, context) => {
  node.float("ratio", 0.5);
  node.int("seed", 0);
  node.int("is_test", 1);
  const training = node.inputs[2] ?? "";
  const isTraining = training !== "" && context.constant(training)?.values[0] !== 0;
  node.check(!isTraining, "is in training mode; export the network for inference");
  context.alias(node, node.input(0));
};

/** Float types of `TensorProto.DataType`. All of them are 32 bits here, so a cast between them has no effect. */
const floatTypes: ReadonlySet<number> = new Set([1, 10, 11, 16]);
const shortTypes: ReadonlyMap<number, string> = new Map([
  [10, "FLOAT16"],
  [16, "BFLOAT16"],
]);

export const readCast: ReadRule = (node, context) => {
  const to = node.int("to");
  node.int("saturate", 1);
  node.string("round_mode", "up");
  node.check(floatTypes.has(to), "casts an activation to a type that is not a float", "FLOAT (1)", `type ${to}`);
  // A network of 16-bit floats is computed in 32 bits as a whole. A cast that rounds only a part of a network would
  // change its outputs.
  const short = context.inputTypes.has(to) ? undefined : shortTypes.get(to);
  node.check(
    short === undefined,
    "rounds an activation to 16 bits; export the network with 32-bit floats",
    "FLOAT (1)",
    short,
  );
  context.alias(node, node.input(0));
};

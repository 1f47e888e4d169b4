/**
 * Reads nodes on values whose batch is not their first axis, or that are seen best in another order of axes: matrices
 * of attention, tokens with their channels last, windows of an image that are joined with the batch.
 */
import { shapeOps } from "../folding/fold.ts";
import { NodeReader } from "../node-reader.ts";
import type { NodeMessage } from "../proto.ts";
import type { ReadRule } from "../rules.ts";
import type { Arranger } from "./arranger.ts";
import { einsum } from "./einsum.ts";
import { concat, readRepeated } from "./joining.ts";
import { movement } from "./movement.ts";
import { functions } from "./pointwise.ts";
import { products } from "./products.ts";
import type { ArrangedRule } from "./rule.ts";
import { statistics } from "./statistics.ts";

const rules: ReadonlyMap<string, ArrangedRule> = new Map<string, ArrangedRule>([
  ...movement,
  ...functions,
  ...products,
  ...statistics,
  ["Concat", concat],
  ["Einsum", einsum],
]);

/** The ops that are read by these rules alone. */
export const arrangedOps: readonly string[] = ["Einsum"];

export interface ArrangedNode {
  readonly message: NodeMessage;
  readonly node: NodeReader;
  readonly arranger: Arranger;
  /** The ordinary rule of an op. */
  ruleOf(opType: string): ReadRule | undefined;
  /** The reader of another message, which stands for the node. */
  readerOf(message: NodeMessage): NodeReader;
  /** Reads a node by the ordinary rules. */
  readPlain(message: NodeMessage): void;
}

/** Reads the node if one of its inputs is arranged, or if these rules suit it better. Returns whether it did. */
export function readArranged(arranged: ArrangedNode): boolean {
  const { node, arranger, message } = arranged;
  if (shapeOps.has(node.opType)) return false;
  if (readRepeated(node, arranger)) return true;
  const isArranged = node.inputs.some((input) => arranger.isArranged(input));
  const isOfValues = node.opType === "MatMul" && !node.inputs.some((input) => arranger.reader.isConstant(input));
  if (!isArranged && !isOfValues && !arrangedOps.includes(node.opType)) return false;
  // A concatenation reads such constants itself.
  if (node.opType !== "Concat") for (const input of node.inputs) arranger.addRepeated(node, input);
  if (readByArrangement(arranged)) return true;
  node.check(!arrangedOps.includes(node.opType), "is not supported in this form");
  if (!isArranged) return false;
  arranged.readPlain({
    ...message,
    input: node.inputs.map((input) => (input === "" ? "" : arranger.plain(node, input))),
  });
  return true;
}

/** Reads the node by the rules for arranged values, if there is one for it that fits. Returns whether it did. */
export function readByArrangement({ node, arranger, message, readerOf, ruleOf }: ArrangedNode): boolean {
  const rule = rules.get(node.opType);
  const isRead = rule?.({
    node,
    arranger,
    reader: arranger.reader,
    as: (changes, own) => readAs({ ...message, ...changes }, own),
  });
  if (isRead === true) node.finish();
  return isRead === true;

  function readAs(changed: NodeMessage, own: ReadRule | undefined): string {
    const { reader } = arranger;
    const output = reader.newName(`${node.outputs[0] ?? node.name}/arranged`);
    const read = readerOf({ ...changed, output: [output] });
    const found = own ?? ruleOf(read.opType);
    if (found === undefined) throw node.unsupported("this op is not supported");
    found(read, reader);
    read.finish();
    node.readsAllAttributes();
    return reader.resolve(output);
  }
}

/** The file's output `name` as a value of the network. Throws if its batch is not its first axis. */
export function plainOutput(name: string, arranger: Arranger, file: string): string {
  const { reader } = arranger;
  const message: NodeMessage = { opType: "output", name, input: [name], output: [`${name}/plain`] };
  const surroundings = { file, opset: 0, resolve: (value: string) => reader.resolve(value), isRead: () => true };
  const node = new NodeReader(message, surroundings);
  return arranger.plain(node, node.input(0));
}

/**
 * Finds the nodes between a file's input and its network that are not read: casting, resizing, normalising. The images
 * of a dataset are prepared for the value behind them.
 */
import type { NodeMessage, ValueMessage } from "../proto.ts";
import { Dependence, type GraphMessage } from "./parts.ts";
import type { Split } from "./split.ts";

/** Float types of `TensorProto.DataType`. */
const floats: ReadonlySet<number> = new Set([1, 10, 11, 16]);
/** Ops that may prepare images. But for casts and quantisation, their result has the type of their first input. */
const elementwise: ReadonlySet<string> = new Set([
  ...["Cast", "Add", "Sub", "Mul", "Div", "Clip", "Pow", "Identity", "Round", "Floor", "Abs", "Neg", "Sqrt"],
  ...["QuantizeLinear", "DequantizeLinear", "CastLike"],
]);
const moving: ReadonlySet<string> = new Set(["Resize", "Transpose", "Upsample"]);

type Extent = number | undefined;

/** Constant integers by name: sizes of a resizing. */
export type KnownIntegers = (name: string) => readonly number[] | undefined;

/**
 * The input of the network in `graph`, if nodes before it have to be carried: because the file's input is not one of
 * floats with a fixed size, or because `isUnread` says so. Undefined if there is none, or if its shape is not known.
 */
export function networkInput(
  graph: GraphMessage,
  isUnread: (node: NodeMessage) => boolean,
  integers: KnownIntegers,
): Split["input"] {
  const stored = new Set((graph.initializer ?? []).map(({ name }) => name ?? ""));
  const [input, ...others] = (graph.input ?? []).filter(({ name }) => !stored.has(name ?? ""));
  if (input === undefined || others.length > 0) return undefined;
  const dependence = new Dependence(graph);
  const results = new Set((graph.output ?? []).map(({ name }) => name ?? ""));
  const declared = new Map((graph.valueInfo ?? []).map((info) => [info.name ?? "", dimsOf(info)] as const));
  let value = input.name ?? "";
  let shape: readonly Extent[] = dimsOf(input);
  let isFloat = floats.has(input.type?.tensorType?.elemType ?? 0);
  let found: Split["input"];
  const nodes: number[] = [];
  while (!results.has(value)) {
    const readers = [...(graph.node ?? []).entries()].filter(([, node]) => node.input?.includes(value));
    const [next, ...more] = readers;
    if (next === undefined || more.length > 0) break;
    const [index, node] = next;
    const { opType = "", input: inputs = [], output = [] } = node;
    const isAlone = inputs.every((name) => name === value || !dependence.dependsOnInputs(name));
    if (!isAlone || output.length !== 1 || !(elementwise.has(opType) || moving.has(opType))) break;
    nodes.push(index);
    const isCarried = !isFloat || !isFixed(shape) || isUnread(node);
    [value] = [output[0] ?? ""];
    const inferred = shapeBehind(node, shape, integers);
    shape = declared.get(value)?.map((size, axis) => size ?? inferred[axis]) ?? inferred;
    isFloat = becomesFloat(node, graph) ?? isFloat;
    const fixed = shape.slice(1).filter((size) => size !== undefined);
    if (isCarried && isFloat && isFixed(shape) && !results.has(value)) {
      found = { name: value, shape: fixed, nodes: [...nodes] };
    }
  }
  return found;
}

/** Whether the result of a node that casts is of floats; undefined for other nodes. */
function becomesFloat(node: NodeMessage, { initializer = [] }: GraphMessage): boolean | undefined {
  switch (node.opType) {
    case "Cast":
      return floats.has(integerOf(node, "to") ?? 0);
    case "CastLike":
      return floats.has(initializer.find(({ name }) => name === node.input?.[1])?.dataType ?? 0);
    case "DequantizeLinear":
      return true;
    case "QuantizeLinear":
      return false;
    default:
      return undefined;
  }
}

function isFixed(shape: readonly Extent[]): boolean {
  return shape.length > 1 && shape.slice(1).every((size) => size !== undefined);
}

function dimsOf({ type }: ValueMessage): readonly Extent[] {
  return (type?.tensorType?.shape?.dim ?? []).map(({ dimValue }) =>
    dimValue !== undefined && dimValue > 0 ? dimValue : undefined,
  );
}

function shapeBehind(
  { opType, input = [], attribute }: NodeMessage,
  shape: readonly Extent[],
  integers: KnownIntegers,
): readonly Extent[] {
  if (opType === "Transpose") {
    const permutation =
      attribute?.find(({ name }) => name === "perm")?.ints ?? shape.map((_, axis) => shape.length - 1 - axis);
    return permutation.map((axis) => shape[axis]);
  }
  if (opType !== "Resize") return opType === "Upsample" ? shape.map(() => undefined) : shape;
  const sizes = integers(input[3] ?? "");
  return shape.map((size, axis) => (axis < 1 ? size : sizes?.[axis]));
}

function integerOf({ attribute }: NodeMessage, name: string): number | undefined {
  return attribute?.find((one) => one.name === name)?.i;
}

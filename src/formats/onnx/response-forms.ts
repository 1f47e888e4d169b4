/**
 * Finds local response normalization as PyTorch writes it. The squares are seen as volumes whose depth is the channels,
 * averaged along the depth, multiplied, raised and taken to a power, by which the values are divided. PyTorch puts the
 * average through an `If` without need. The nodes become one `LRN`.
 */
import type { FileNodes } from "./gelu-forms.ts";
import { attributeMessage, type NodeMessage } from "./proto.ts";
import { withoutUnreadNodes } from "./unread-nodes.ts";

/** Ops between the volumes and the images. */
const views: ReadonlySet<string> = new Set(["Reshape", "Squeeze", "Unsqueeze", "Pad", "Identity"]);
/** More nodes are on no path of this form. It limits what a malicious file can make the search do. */
const LONGEST_PATH = 10;

/** The nodes of the file, with each group that computes a local response normalization replaced by one node. */
export function withLocalResponses(file: FileNodes): FileNodes {
  const producerOf = new Map(file.nodes.flatMap((node) => (node.output ?? []).map((name) => [name, node] as const)));
  const found = new Map<NodeMessage, NodeMessage>();
  for (const node of file.nodes) {
    const response = node.opType === "Div" && !node.domain ? responseOf(node, file, producerOf) : undefined;
    if (response !== undefined) found.set(node, response);
  }
  if (found.size === 0) return file;
  const nodes = file.nodes.map((node) => found.get(node) ?? node);
  return { ...file, nodes: withoutUnreadNodes(nodes, file.outputs) };
}

/** The `LRN` node in the place of `division`, if this is the last node of one. */
function responseOf(
  division: NodeMessage,
  file: FileNodes,
  producerOf: ReadonlyMap<string, NodeMessage>,
): NodeMessage | undefined {
  const [src = "", divisor = ""] = division.input ?? [];
  /** The value and the number that `value` is computed from by `opType`. */
  const parts = (value: string, opType: string): readonly [value: string, number: number] | undefined => {
    const node = producerOf.get(value);
    const [a = "", b = ""] = node?.opType === opType ? (node.input ?? []) : [];
    const [first, second] = [file.numberOf(a), file.numberOf(b)];
    if (second !== undefined && first === undefined) return [a, second];
    return first !== undefined && second === undefined && opType !== "Pow" ? [b, first] : undefined;
  };
  const [raised, beta] = parts(divisor, "Pow") ?? [];
  const [scaled, bias] = parts(raised ?? "", "Add") ?? [];
  const [mean, alpha] = parts(scaled ?? "", "Mul") ?? [];
  if (mean === undefined || alpha === undefined || bias === undefined || beta === undefined) return undefined;
  const pool = poolBefore(mean, file, producerOf);
  const listOf = (list: string): readonly number[] => pool?.attribute?.find(({ name }) => name === list)?.ints ?? [];
  const [size = 0, ...others] = listOf("kernel_shape");
  const isAlongDepth = others.length > 0 && [...others, ...listOf("strides")].every((extent) => extent === 1);
  // Of an even number of channels, PyTorch and ONNX take the one more on different sides.
  if (pool === undefined || !isAlongDepth || size % 2 !== 1) return undefined;
  const squares = beforeViews(pool.input?.[0] ?? "", producerOf);
  // Without another view, the first axis of the kernel is the rows of an image.
  if (!squares.isReshaped) return undefined;
  const square = producerOf.get(squares.value);
  const [a, b] = square?.input ?? [];
  const isSquare = square?.opType === "Mul" ? a === src && b === src : square?.opType === "Pow" && a === src;
  if (!isSquare || (square?.opType === "Pow" && file.numberOf(b ?? "") !== 2)) return undefined;
  const numbers = { alpha, beta, bias };
  return {
    ...division,
    opType: "LRN",
    input: [src],
    attribute: [
      attributeMessage("size", size),
      ...Object.entries(numbers).map(([name, float]) => attributeMessage(name, { float })),
    ],
  };
}

/** The value that `value` is another view of, and whether it has other axes. */
function beforeViews(
  value: string,
  producerOf: ReadonlyMap<string, NodeMessage>,
): { readonly value: string; readonly isReshaped: boolean } {
  let source = value;
  let isReshaped = false;
  for (let steps = 0; steps < LONGEST_PATH; steps++) {
    const node = producerOf.get(source);
    if (node === undefined || !views.has(node.opType ?? "")) break;
    isReshaped ||= node.opType === "Reshape" || node.opType === "Unsqueeze";
    source = node.input?.[0] ?? "";
  }
  return { value: source, isReshaped };
}

/** The average pooling that `value` is a view of; behind an `If` the last one in front of it, which it reads inside. */
function poolBefore(
  value: string,
  { nodes }: FileNodes,
  producerOf: ReadonlyMap<string, NodeMessage>,
): NodeMessage | undefined {
  const node = producerOf.get(beforeViews(value, producerOf).value);
  const pool =
    node?.opType === "If"
      ? nodes.slice(0, nodes.indexOf(node)).findLast(({ opType }) => opType === "AveragePool")
      : node;
  return pool?.opType === "AveragePool" ? pool : undefined;
}

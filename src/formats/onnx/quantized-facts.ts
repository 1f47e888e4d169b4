/** What a quantised file says about itself: which layers compute on integers, with which scales, and what does not. */

import type { ExternalData } from "./external.ts";
import { type Constant, scalarsOf } from "./folding/constant.ts";
import { isQuantizedOp } from "./ops/quantize.ts";
import { dataTypes, type ModelMessage, type NodeMessage } from "./proto.ts";
import { readTensor } from "./tensors.ts";

export interface QuantizedLayer {
  readonly name: string;
  /** As ONNX names it. */
  readonly op: string;
  /** The integers of its weights, and the smallest and largest of their scales; undefined for ops without weights. */
  readonly weights?: { readonly type: string; readonly scales: number; readonly range: readonly [number, number] };
  /** The integers of its result; undefined where it gives floats. */
  readonly output?: { readonly type: string; readonly scale: number; readonly zeroPoint: number };
}

export interface QuantizedFacts {
  /** Nodes that read and give integers, in the order of the file. */
  readonly layers: readonly QuantizedLayer[];
  /** Nodes that compute with floats. */
  readonly floats: readonly { readonly name: string; readonly op: string }[];
}

const typeNames: ReadonlyMap<number, string> = new Map([
  [dataTypes.uint8, "uint8"],
  [dataTypes.int8, "int8"],
  [4, "uint16"],
  [5, "int16"],
]);

/** ONNX ops for which ONNX Runtime has kernels on integers, or which only move them. */
const integerOps: ReadonlySet<string> = new Set([
  ...["Conv", "Gemm", "MatMul", "Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool", "Sigmoid", "LeakyRelu"],
  ...["Softmax", "MaxPool", "Flatten", "Reshape", "Slice", "Transpose", "Resize", "Squeeze", "Unsqueeze", "Gather"],
]);
/** Ops with weights, which have to be integers too. */
const weighted: ReadonlySet<string> = new Set(["Conv", "Gemm", "MatMul"]);
/** Ops whose kernels may give floats from sums of integers. */
const giveFloats: ReadonlySet<string> = new Set(["Gemm", "MatMul"]);

/** The facts of `model`; undefined if nothing in it is quantised. Throws as `readTensor` does. */
export function quantizedFacts(
  { graph }: ModelMessage,
  file: string,
  external: ExternalData,
): QuantizedFacts | undefined {
  const nodes = graph?.node ?? [];
  if (!nodes.some(({ opType }) => isQuantizedOp(opType ?? ""))) return undefined;
  const tensors = new Map((graph?.initializer ?? []).map((message) => [message.name ?? "", message]));
  const makers = new Map(nodes.flatMap((node) => (node.output ?? []).map((name) => [name, node] as const)));
  const quantizers = new Map(
    nodes.flatMap((node) => (node.opType === "QuantizeLinear" ? [[node.input?.[0] ?? "", node] as const] : [])),
  );
  const constant = (name: string | undefined): Constant | undefined => {
    const message = tensors.get(name ?? "");
    return message === undefined ? undefined : readTensor(message, file, external);
  };
  const typeOf = (name: string | undefined): string =>
    typeNames.get(tensors.get(name ?? "")?.dataType ?? dataTypes.uint8) ?? "integers";
  const dequantizer = (name: string | undefined): NodeMessage | undefined => {
    const maker = makers.get(name ?? "");
    return maker?.opType === "DequantizeLinear" ? maker : undefined;
  };
  const layers: QuantizedLayer[] = [];
  const floats: { name: string; op: string }[] = [];
  for (const { name = "", opType: op = "", input = [], output = [] } of nodes) {
    if (op === "QuantizeLinear" || op === "DequantizeLinear" || op === "Constant") continue;
    const quantizer = quantizers.get(output[0] ?? "");
    const isRead = dequantizer(input[0]) !== undefined && !(weighted.has(op) && dequantizer(input[1]) === undefined);
    const isInteger =
      isQuantizedOp(op) || (integerOps.has(op) && isRead && (quantizer !== undefined || giveFloats.has(op)));
    if (!isInteger) {
      floats.push({ name, op });
      continue;
    }
    const stored = dequantizer(input[1]);
    const scales = scalarsOf(constant(stored?.input?.[1]) ?? { type: "float", dims: [0], values: [] }).map(Number);
    const isStored = stored !== undefined && tensors.has(stored.input?.[0] ?? "");
    layers.push({
      name,
      op,
      ...(isStored && scales.length > 0
        ? {
            weights: {
              type: typeOf(stored.input?.[0]),
              scales: scales.length,
              range: [Math.min(...scales), Math.max(...scales)] as const,
            },
          }
        : {}),
      ...(quantizer === undefined
        ? {}
        : {
            output: {
              type: typeOf(quantizer.input?.[2]),
              scale: Number(constant(quantizer.input?.[1])?.values[0] ?? Number.NaN),
              zeroPoint: Number(constant(quantizer.input?.[2])?.values[0] ?? 0),
            },
          }),
    });
  }
  return { layers, floats };
}

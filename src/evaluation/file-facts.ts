/**
 * The cost of an ONNX file of any tool: bytes, parameters, multiply-accumulates. Parameters are counted from the file's
 * tensors, MACs from the shapes in a run of ONNX Runtime. So files that Espalier cannot import can be compared too.
 */
import { stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { optional } from "../core/optional.ts";
import { elementCount, type Shape } from "../core/tensor.ts";
import { readBytes } from "../formats/file.ts";
import { decodeModel, type ModelMessage } from "../formats/onnx/proto.ts";
import { einsumMacs } from "./einsum-macs.ts";
import type { FeedOptions } from "./random-feeds.ts";
import { type ProfiledNode, profileFile } from "./runtime-profile.ts";

export interface FileFacts {
  readonly file: string;
  /** Size of the file and of its external data files. */
  readonly bytes: number;
  /**
   * Floats in its tensors, and integers that stand for floats, without running statistics of batch norms, scales of
   * integers, and scalars.
   */
  readonly parameters: number;
  /** Multiply-accumulates of convolutions and matrix products for one run with a batch of 1: the paper's FLOPs. */
  readonly macs: number;
}

/** `TensorProto.DataType`: 32, 16 and 64 bits, bfloat16. */
const floatTypes: ReadonlySet<number> = new Set([1, 10, 11, 16]);

/** Facts about the ONNX file at `path`. Throws the errors of `readBytes`, `decodeModel` and `profileFile`. */
export async function fileFacts(path: string, size?: FeedOptions["size"]): Promise<FileFacts> {
  const model = decodeModel(await readBytes(path), path);
  const shapes = new Map(
    (model.graph?.initializer ?? []).map(({ name, dims, dataType }) => [
      name ?? "",
      { shape: dims ?? [], isFloat: floatTypes.has(dataType ?? 0) },
    ]),
  );
  const nodes = model.graph?.node ?? [];
  const inputsOf = new Map(nodes.map(({ name, input }) => [name ?? "", input ?? []]));
  const equations = new Map(
    nodes.map(({ name, attribute }) => {
      const text = attribute?.find((one) => one.name === "equation")?.s;
      return [name ?? "", new TextDecoder().decode(text ?? new Uint8Array())] as const;
    }),
  );
  const uncounted = new Set(
    nodes.flatMap(({ opType, input }) => {
      if (opType === "BatchNormalization") return (input ?? []).slice(3, 5);
      return isQuantization(opType) ? (input ?? []).slice(1) : [];
    }),
  );
  const quantized = new Set(nodes.flatMap(({ opType, input }) => (isQuantization(opType) ? (input?.[0] ?? []) : [])));
  let parameters = 0;
  for (const [name, { shape, isFloat }] of shapes) {
    // A scalar is an attribute, such as a bound of a Clip, and not a trained parameter.
    const isCounted = (isFloat || quantized.has(name)) && !uncounted.has(name);
    if (isCounted && shape.length > 0) parameters += elementCount(shape);
  }
  const run = await profileFile(path, {
    runs: 1,
    batch: 1,
    optimized: false,
    ...optional({ size }),
  });
  const macs = run.reduce((sum, node) => {
    // The runtime packs weights and does not report their shapes afterwards, so use the file's.
    const weights = shapes.get(inputsOf.get(node.name)?.[weightSlot(node.op)] ?? "")?.shape;
    if (node.op === "Einsum") return sum + einsumMacs(equations.get(node.name) ?? "", node.inputs);
    return sum + nodeMacs(node, weights ?? node.inputs[weightSlot(node.op)]);
  }, 0);
  return { file: path, bytes: await bytesOf(path, model), parameters, macs };
}

function isQuantization(opType: string | undefined): boolean {
  return opType === "QuantizeLinear" || opType === "DequantizeLinear";
}

function weightSlot(op: string): number {
  return op === "QLinearConv" ? 3 : 1;
}

/** MACs of one node, by the shapes of its input, weights and output; 0 for ops that are not counted. */
function nodeMacs({ op, inputs, outputs }: ProfiledNode, weights: Shape | undefined): number {
  const [input = []] = inputs;
  const [output = []] = outputs;
  switch (op) {
    case "Conv":
    case "ConvInteger":
    case "QLinearConv":
      return elementCount(output) * elementCount((weights ?? []).slice(1));
    case "ConvTranspose":
      return elementCount(input) * elementCount((weights ?? []).slice(1));
    case "Gemm":
      // Rows × columns of the product × summed elements; either factor may be transposed.
      return elementCount(output) * (elementCount(input) / Math.max(1, output[0] ?? 1));
    case "MatMul":
    case "MatMulInteger":
      return elementCount(output) * (input.at(-1) ?? 0);
    default:
      return 0;
  }
}

/** Size of the file and of the external files of its tensors. */
async function bytesOf(path: string, { graph }: ModelMessage): Promise<number> {
  const names = (graph?.initializer ?? []).flatMap(({ externalData }) =>
    (externalData ?? []).flatMap(({ key, value }) => (key === "location" && value ? [value] : [])),
  );
  const files = [path, ...new Set(names.map((name) => resolve(dirname(path), name)))];
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Small ONNX files made by hand for tests of the reader: ONNX nodes between one input and one output. */
import {
  type AttributeMessage,
  attributeMessage,
  encodeModel,
  type ModelMessage,
  type NodeMessage,
  type TensorMessage,
  valueMessage,
} from "../../../src/formats/onnx/proto.ts";

export function node(
  opType: string,
  input: readonly string[],
  output: string,
  attribute: readonly AttributeMessage[] = [],
): NodeMessage {
  return { opType, name: `${output}/node`, input: [...input], output: [output], attribute: [...attribute] };
}

export type AttributeValues = Readonly<Record<string, Parameters<typeof attributeMessage>[1]>>;

export function attributes(values: AttributeValues): readonly AttributeMessage[] {
  return Object.entries(values).map(([name, value]) => attributeMessage(name, value));
}

export function integers(
  name: string,
  values: readonly number[],
  dims: readonly number[] = [values.length],
): TensorMessage {
  return { name, dataType: 7, dims: [...dims], int64Data: [...values] };
}

export function floats(
  name: string,
  values: readonly number[],
  dims: readonly number[] = [values.length],
): TensorMessage {
  return { name, dataType: 1, dims: [...dims], floatData: [...values] };
}

/** Floats that differ from one another, of both signs. */
export function counted(name: string, dims: readonly number[]): TensorMessage {
  const count = dims.reduce((product, size) => product * size, 1);
  return floats(
    name,
    Array.from({ length: count }, (_, index) => Math.sin(index * 1.7 + 0.3)),
    dims,
  );
}

export interface ModelParts {
  readonly nodes: readonly NodeMessage[];
  readonly tensors?: readonly TensorMessage[];
  /** Dims of the input "x" after the batch axis. */
  readonly features: readonly number[];
  /** Name of the output; default "y". */
  readonly output?: string;
  readonly opset?: number;
  readonly change?: (model: ModelMessage) => void;
}

export function onnxModel({ nodes, tensors = [], features, output = "y", opset = 17, change }: ModelParts): Uint8Array {
  const model: ModelMessage = {
    irVersion: 8,
    producerName: "by hand",
    opsetImport: [{ domain: "", version: opset }],
    graph: {
      name: "by hand",
      node: [...nodes],
      initializer: [...tensors],
      input: [valueMessage("x", 1, ["batch", ...features])],
      output: [{ name: output, type: { tensorType: { elemType: 1 } } }],
    },
  };
  change?.(model);
  return encodeModel(model);
}

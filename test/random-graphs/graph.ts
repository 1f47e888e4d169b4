/**
 * Random ONNX files. A file grows node by node; ONNX Runtime says of each node whether it is legal and which dims come
 * of it, so that nothing here has to know. A file is a function of (seed, number), and of what the reader refuses where
 * it is to grow long.
 */
import { type InferenceSession, Tensor as RuntimeTensor } from "onnxruntime-node";
import { required, UserError } from "../../src/core/errors.ts";
import { elementCount, type Tensor, tensor } from "../../src/core/tensor.ts";
import { loadSession } from "../../src/evaluation/onnx-runtime.ts";
import {
  encodeModel,
  type ModelMessage,
  type NodeMessage,
  type TensorMessage,
  valueMessage,
} from "../../src/formats/onnx/proto.ts";
import { readOnnx } from "../../src/formats/onnx/read.ts";
import { normal } from "../engine/random-data.ts";
import { type ConstantType, type ConstantValue, constants } from "./constants.ts";
import { Draft, Draw, type GraphSetting, type Layer, type Value } from "./draft.ts";
import { movement } from "./movement.ts";
import { pointwise } from "./pointwise.ts";
import { products } from "./products.ts";
import { statistics } from "./statistics.ts";
import { windows } from "./windows.ts";

export interface RandomGraph {
  readonly bytes: Uint8Array;
  readonly inputs: readonly Value[];
  readonly batch: number;
  /** Whether the file leaves the batch size open. */
  readonly isOpen: boolean;
  /** The ops of its nodes. */
  readonly ops: readonly string[];
}

const layers: Readonly<Record<string, Layer>> = { ...pointwise, ...statistics, ...windows, ...movement, ...products };
const names = Object.keys(layers);
const arithmetic = Object.entries(constants);
const opsets = [7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21];
/** Elements that a value may have. */
const LARGEST = 6000;

/** A file under way. */
class Growing {
  readonly setting: GraphSetting;
  readonly inputs: readonly Value[];
  readonly isOpen: boolean;
  /** Whether nodes that the reader plainly refuses are left out, so that files become long before it stops. */
  readonly #isTame: boolean;
  readonly #nodes: NodeMessage[] = [];
  readonly #tensors: TensorMessage[] = [];
  #drafts = 0;

  constructor(draw: Draw) {
    this.setting = { draw, opset: draw.pick(opsets), batch: draw.between(1, 3) };
    this.inputs = this.#randomInputs();
    this.isOpen = draw.chance(0.8);
    this.#isTame = draw.chance(0.75);
  }

  get ops(): readonly string[] {
    return this.#nodes.map(({ opType }) => opType ?? "");
  }

  draft(values: readonly Value[]): Draft {
    return new Draft(this.setting, `v${this.#drafts++}`, values);
  }

  /** Takes `draft` over if ONNX Runtime runs it; what it gives for `output`, or undefined. */
  async accept({ nodes, tensors }: Draft, output: string): Promise<RuntimeTensor | undefined> {
    const bytes = this.#encoded([...this.#nodes, ...nodes], [...this.#tensors, ...tensors], [output]);
    const results = await runtimeResults(bytes, this.inputs, this.setting.batch);
    const result = results?.[output];
    if (result === undefined || elementCount(result.dims) > LARGEST) return undefined;
    if (this.#isTame && isRefused(bytes)) return undefined;
    this.#nodes.push(...nodes);
    this.#tensors.push(...tensors);
    return result;
  }

  bytes(outputs: readonly string[]): Uint8Array {
    return this.#encoded(this.#nodes, this.#tensors, outputs);
  }

  #randomInputs(): readonly Value[] {
    const { draw, batch } = this.setting;
    const rank = draw.pick([1, 2, 2, 3, 3, 4, 4, 4, 4, 5, 6]);
    const features = Array.from({ length: rank - 1 }, (_, axis) =>
      draw.between(1, axis === 0 && rank < 5 ? 18 : rank > 4 ? 4 : 7),
    );
    const first = { name: "x", shape: [batch, ...features] };
    if (draw.chance(0.85)) return [first];
    return [first, { name: "z", shape: [batch, ...features.map((size) => (draw.chance(0.7) ? size : 1))] }];
  }

  #encoded(nodes: readonly NodeMessage[], tensors: readonly TensorMessage[], outputs: readonly string[]): Uint8Array {
    const { opset, batch } = this.setting;
    const model: ModelMessage = {
      irVersion: 8,
      producerName: "random graphs",
      opsetImport: [{ domain: "", version: opset }],
      graph: {
        name: "random",
        node: [...nodes],
        initializer: [...tensors],
        input: this.inputs.map(({ name, shape }) =>
          valueMessage(name, 1, [this.isOpen ? "batch" : batch, ...shape.slice(1)]),
        ),
        output: outputs.map((name) => ({ name })),
      },
    };
    return encodeModel(model);
  }
}

/**
 * A random file; undefined where nothing legal came of the numbers drawn. With names in `often`, each second node is
 * one of these layers, and none computes constants.
 */
export async function randomGraph(
  seed: number,
  number: number,
  often: readonly string[] = [],
): Promise<RandomGraph | undefined> {
  const unknown = often.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`there is no layer "${unknown}" among ${names.join(", ")}`);
  const draw = new Draw(seed, number);
  const growing = new Growing(draw);
  const isConstants = often.length === 0 && draw.chance(0.25);
  const outputs = isConstants ? await growConstants(growing) : await growLayers(growing, often);
  if (outputs === undefined) return undefined;
  const { inputs, isOpen, ops, setting } = growing;
  return { bytes: growing.bytes(outputs), inputs, batch: setting.batch, isOpen, ops };
}

function isRefused(bytes: Uint8Array): boolean {
  try {
    readOnnx(bytes, "random.onnx");
    return false;
  } catch (error) {
    // An output of constants alone is no network, but may become one.
    return (
      error instanceof UserError && error.code === "unsupported" && !error.message.includes("depend on the images")
    );
  }
}

/** Some layers, each reading one of the values before it. */
async function growLayers(growing: Growing, often: readonly string[]): Promise<readonly string[] | undefined> {
  const { draw } = growing.setting;
  const values = [...growing.inputs];
  const wanted = draw.between(1, 7);
  for (let tries = 0; tries < 6 * wanted && values.length < wanted + growing.inputs.length; tries++) {
    const src = draw.chance(0.75) ? required(values.at(-1), "a value") : draw.pick(values);
    const draft = growing.draft(values);
    const name = draw.pick(often.length > 0 && draw.chance(0.5) ? often : names);
    const output = layers[name]?.(draft, src);
    if (output === undefined) continue;
    const result = await growing.accept(draft, output);
    if (result?.type === "float32") values.push({ name: output, shape: [...result.dims] });
    // A value without numbers, or of another type, ends the file.
    if (result !== undefined && elementCount(result.dims) === 0) break;
  }
  const made = values.slice(growing.inputs.length).map(({ name }) => name);
  if (made.length === 0) return undefined;
  return made.length > 1 && draw.chance(0.2)
    ? [draw.pick(made.slice(0, -1)), required(made.at(-1), "a value")]
    : made.slice(-1);
}

/** Arithmetic of constants; what comes of it is added to a linear layer. */
async function growConstants(growing: Growing): Promise<readonly string[] | undefined> {
  const { draw, batch } = growing.setting;
  const src = required(growing.inputs[0], "an input");
  const known = await firstConstants(growing);
  const first = known.length;
  const wanted = draw.between(2, 8);
  for (let tries = 0; tries < 4 * wanted && known.length < wanted + first; tries++) {
    const draft = growing.draft([]);
    const output = draw.pick(arithmetic)[1](draft, known, src);
    const result = output === undefined ? undefined : await growing.accept(draft, output);
    if (output !== undefined && result !== undefined) known.push(...constantOf(output, result));
  }
  const last = known.at(-1);
  if (last === undefined || known.length === first) return undefined;
  const draft = growing.draft([]);
  const count = elementCount(last.shape);
  const flat = draft.node("Flatten", [src.name], { axis: 1 });
  const features = elementCount(src.shape) / batch;
  const floats = last.type === "float" ? last.name : draft.node("Cast", [last.name], { to: 1 });
  const product = draft.node("MatMul", [flat, draft.weights([features, count], 1)]);
  const output = draft.node("Add", [product, draft.node("Reshape", [floats, draft.integers([count])])]);
  const result = await growing.accept(draft, output);
  return result === undefined ? undefined : [output];
}

/** Some tensors of each type. */
async function firstConstants(growing: Growing): Promise<ConstantValue[]> {
  const { draw } = growing.setting;
  const draft = growing.draft([]);
  const [rows, columns] = [draw.between(1, 4), draw.between(1, 4)];
  const matrix = draft.floats([rows, columns]);
  const length = draw.between(1, 4);
  const vector = draft.positive([length]);
  const integers = draft.integers([draw.between(1, 5), draw.between(1, 5), draw.between(-3, 3)]);
  const booleans = draft.booleans([draw.chance(0.5), draw.chance(0.5), draw.chance(0.5)], [3, 1]);
  await growing.accept(draft, draft.node("Identity", [matrix]));
  return [
    { name: matrix, shape: [rows, columns], type: "float" },
    { name: vector, shape: [length], type: "float" },
    { name: integers, shape: [3], type: "integer" },
    { name: booleans, shape: [3, 1], type: "boolean" },
  ];
}

const types: Readonly<Record<string, ConstantType>> = { float32: "float", int64: "integer", bool: "boolean" };

/** A constant that others are made of: of a type that is known here, finite and not empty. */
function constantOf(name: string, { type, dims, data }: RuntimeTensor): readonly ConstantValue[] {
  const known = types[type];
  const isUsable = Array.from(data as ArrayLike<unknown>, Number).every((value) => Math.abs(value) < 1e6);
  return known === undefined || !isUsable || elementCount(dims) === 0 ? [] : [{ name, shape: [...dims], type: known }];
}

/** Images for each of `inputs`, the batch size being `batch`. */
export function feedsOf(inputs: readonly Value[], batch: number): ReadonlyMap<string, Tensor> {
  return new Map(inputs.map(({ name, shape }) => [name, normal([batch, ...shape.slice(1)], 6, name)]));
}

/** What ONNX Runtime, without its optimizations, gives; undefined where it refuses the file or the batch size. */
export async function runtimeResults(
  bytes: Uint8Array,
  inputs: readonly Value[],
  batch: number,
): Promise<Readonly<Record<string, RuntimeTensor>> | undefined> {
  const feeds = Object.fromEntries(
    [...feedsOf(inputs, batch)].map(([name, { shape, data }]) => [name, new RuntimeTensor("float32", data, shape)]),
  );
  let session: InferenceSession | undefined;
  try {
    session = await loadSession(bytes, "random", { optimized: false });
    // Refusals are expected, and need not be told on the terminal.
    return await session.run(feeds, { logSeverityLevel: 4 });
  } catch (error) {
    if (error instanceof UserError || session !== undefined) return undefined;
    throw error;
  } finally {
    await session?.release();
  }
}

/** The numbers of a result, as far as they are floats. */
export function floatsOf({ type, dims, data }: RuntimeTensor): Tensor | undefined {
  return type === "float32" && data instanceof Float32Array ? tensor([...dims], data) : undefined;
}

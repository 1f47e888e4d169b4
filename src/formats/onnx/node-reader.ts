/**
 * Reads one node of an ONNX file strictly. It checks attribute types and fills in defaults, refuses attributes and
 * outputs that no rule asked for, and names op, node and file in every error.
 */

import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import type { Extents, Padding } from "../../graph/attributes.ts";
import { extentsOf, paddingOf, type Sides } from "../../graph/windows.ts";
import { type AttributeMessage, attributeTypes, type NodeMessage, type TensorMessage } from "./proto.ts";

const UNSUPPORTED_HINT = "Export the network without this node, or with another form of the op";

/** The sliding window of a convolution or pooling. */
export interface ReadWindow {
  readonly kernel: Extents;
  readonly strides: Extents;
  readonly dilation: Extents;
}

/** The context of a node in its file. */
export interface NodeSurroundings {
  readonly file: string;
  readonly opset: number;
  /** The value that `name` is an alias of: identity nodes make aliases. */
  resolve(name: string): string;
  /** Whether a node or a graph output reads the value. */
  isRead(name: string): boolean;
}

export class NodeReader {
  readonly opType: string;
  /** The node's name, or the name of its first output if it has none. */
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** How many outputs the node has in the file, including those that nothing reads. */
  readonly outputCount: number;
  /** The opset of the file. */
  readonly opset: number;
  readonly #file: string;
  readonly #attributes: ReadonlyMap<string, AttributeMessage>;
  readonly #asked = new Set<string>();
  #readsAll = false;

  constructor(message: NodeMessage, { file, opset, resolve, isRead }: NodeSurroundings) {
    const domain = message.domain ?? "";
    this.opType = `${domain === "" || domain === "ai.onnx" ? "" : `${domain}.`}${message.opType ?? ""}`;
    this.inputs = withoutTrailingBlanks((message.input ?? []).map(resolve));
    this.outputs = withoutTrailingBlanks(
      (message.output ?? []).map((name, index) => (index === 0 || isRead(name) ? name : "")),
    );
    this.outputCount = (message.output ?? []).length;
    this.name = message.name || (this.outputs[0] ?? "");
    this.opset = opset;
    this.#file = file;
    this.#attributes = new Map((message.attribute ?? []).map((attribute) => [attribute.name ?? "", attribute]));
  }

  /** The error for a node that is not supported in this form. */
  unsupported(what: string, expected?: string, received?: string, hint: string = UNSUPPORTED_HINT): UserError {
    return new UserError("unsupported", what, {
      about: `${this.opType} "${this.name}" in ${this.#file}`,
      ...optional({ expected, received }),
      hint,
    });
  }

  /** Throws `unsupported` unless `condition` holds. */
  check(condition: boolean, what: string, expected?: string, received?: string): void {
    if (!condition) throw this.unsupported(what, expected, received);
  }

  input(index: number): string {
    const name = this.inputs[index];
    if (name === undefined || name === "") throw this.unsupported(`input ${index} is missing`);
    return name;
  }

  /** Whether the node has attribute `name`. */
  has(name: string): boolean {
    return this.#attributes.has(name);
  }

  int(name: string, absent?: number): number {
    const attribute = this.#attribute(name, attributeTypes.int);
    if (attribute !== undefined) return attribute.i ?? 0;
    if (absent === undefined) throw this.unsupported(`attribute ${name} is missing`);
    return absent;
  }

  float(name: string, absent: number): number {
    return this.#attribute(name, attributeTypes.float)?.f ?? absent;
  }

  floats(name: string): readonly number[] {
    return this.#attribute(name, attributeTypes.floats)?.floats ?? [];
  }

  tensor(name: string): TensorMessage | undefined {
    return this.#attribute(name, attributeTypes.tensor)?.t ?? undefined;
  }

  string(name: string, absent: string): string {
    const bytes = this.#attribute(name, attributeTypes.string)?.s;
    return bytes === undefined || bytes === null ? absent : new TextDecoder().decode(bytes);
  }

  ints(name: string, absent?: readonly number[]): readonly number[] {
    const attribute = this.#attribute(name, attributeTypes.ints);
    if (attribute !== undefined) return attribute.ints ?? [];
    if (absent === undefined) throw this.unsupported(`attribute ${name} is missing`);
    return absent;
  }

  /** The attribute `perm` of a transpose of `rank` axes, which may count from behind; without one the axes reversed. */
  permutation(rank: number): readonly number[] {
    const reversed = Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
    return this.ints("perm", reversed).map((axis) => (axis < 0 ? axis + rank : axis));
  }

  /** Positive integers, one for each of `count` axes of pixels. `absent`: all of them if there is no such attribute. */
  extents(name: string, count: number, absent?: number): Extents {
    const values = this.ints(name, absent === undefined ? undefined : Array.from({ length: count }, () => absent));
    this.check(
      values.length === count,
      `attribute ${name} does not fit its pixels`,
      `${count} numbers`,
      `${values.length}`,
    );
    this.check(
      values.every((value) => value >= 1),
      `attribute ${name} must be positive`,
      "1 or more",
      values.join(", "),
    );
    return extentsOf(values);
  }

  /** The padding: `pads`, or what `auto_pad` computes from the pixels and the window. */
  padding(pixels: Extents, { kernel, strides, dilation }: ReadWindow): Padding {
    const automatic = this.string("auto_pad", "NOTSET");
    if (automatic === "SAME_UPPER" || automatic === "SAME_LOWER") {
      this.ints("pads", []);
      const sides = pixels.map((size, axis): Sides => {
        const stride = strides[axis] ?? 1;
        const span = (Math.ceil(size / stride) - 1) * stride + ((kernel[axis] ?? 1) - 1) * (dilation[axis] ?? 1);
        const total = Math.max(0, span + 1 - size);
        const less = Math.floor(total / 2);
        return automatic === "SAME_UPPER" ? [less, total - less] : [total - less, less];
      });
      return paddingOf(sides);
    }
    const isExplicit = automatic === "NOTSET" || automatic === "";
    this.check(
      isExplicit || automatic === "VALID",
      "auto_pad is not known",
      "SAME_UPPER, SAME_LOWER, VALID",
      automatic,
    );
    return isExplicit ? this.pads(pixels.length) : this.noPads(pixels.length);
  }

  /** The attribute `pads`: begins of all axes, then ends. */
  pads(count: number): Padding {
    const pads = this.ints(
      "pads",
      Array.from({ length: 2 * count }, () => 0),
    );
    const fits = pads.length === 2 * count && pads.every((side) => side >= 0);
    this.check(fits, `pads must be ${2 * count} numbers, none negative`, `${2 * count} numbers`, pads.join(", "));
    return paddingOf(Array.from({ length: count }, (_, axis) => [pads[axis] ?? 0, pads[count + axis] ?? 0]));
  }

  /** No padding, whatever `pads` says. */
  noPads(count: number): Padding {
    this.ints("pads", []);
    return paddingOf(Array.from({ length: count }, () => [0, 0]));
  }

  /** Throws if the node has an attribute that no method asked for. */
  finishAttributes(): void {
    for (const name of this.#attributes.keys()) {
      this.check(this.#asked.has(name), `attribute ${name} is not known for this op`);
    }
  }

  /** Records that every attribute was read, by the reader of a message that stands for this one. */
  readsAllAttributes(): void {
    for (const name of this.#attributes.keys()) this.#asked.add(name);
  }

  /** Records that the rule reads outputs other than the first. */
  readsAllOutputs(): void {
    this.#readsAll = true;
  }

  /** Throws if the node has an attribute that no method asked for, or an output after the first that no rule reads. */
  finish(): void {
    this.finishAttributes();
    this.check(
      this.#readsAll || this.outputs.length === 1,
      "only the first output is supported",
      "one output",
      `${this.outputs.length}`,
    );
  }

  #attribute(name: string, type: number): AttributeMessage | undefined {
    this.#asked.add(name);
    const attribute = this.#attributes.get(name);
    if (attribute !== undefined && attribute.type !== type) {
      throw this.unsupported(`attribute ${name} has the wrong type`, `type ${type}`, `${attribute.type ?? 0}`);
    }
    return attribute;
  }
}

function withoutTrailingBlanks(names: readonly string[]): readonly string[] {
  const last = names.findLastIndex((name) => name !== "");
  return names.slice(0, last + 1);
}

/** Computes the nodes that depend only on constants and shapes while a graph is read. */
import { statementOf, UserError } from "../../../core/errors.ts";
import { elementCount } from "../../../core/tensor.ts";
import type { GraphReader } from "../graph-reader.ts";
import type { NodeReader } from "../node-reader.ts";
import type { TensorMessage } from "../proto.ts";
import type { Constant } from "./constant.ts";
import { ElementBudget, foldRule, shapeOps } from "./fold.ts";
import type { FoldContext } from "./rule.ts";

export interface FolderOptions {
  /**
   * Whether views and products of float constants stay nodes. In files of this package they are scaling factors and the
   * parameters that these scale.
   */
  readonly keepsViews: boolean;
  /** The number of elements in the file's own tensors. */
  readonly stored: number;
  tensorOf(message: TensorMessage, owner: string): Constant;
}

const viewOps: ReadonlySet<string> = new Set(["Expand", "Mul", "Reshape", "Slice", "Transpose"]);

export class ConstantFolder {
  readonly #reader: GraphReader;
  readonly #options: FolderOptions;
  readonly #budget: ElementBudget;

  constructor(reader: GraphReader, options: FolderOptions) {
    this.#reader = reader;
    this.#options = options;
    this.#budget = new ElementBudget(options.stored);
  }

  /** Computes `node` and declares its outputs if its inputs are constant. Returns whether it did. */
  fold(node: NodeReader): boolean {
    if (!this.#isConstant(node)) return false;
    const rule = foldRule(node.opType);
    if (rule === undefined) return false;
    const results = this.#computed(node, () => rule(this.#context(node)));
    node.finishAttributes();
    for (const [index, name] of node.outputs.entries()) {
      const result = results[index];
      node.check(result !== undefined, `output ${index} is not read`);
      if (result !== undefined && name !== "") this.#declare(node, name, result);
    }
    return true;
  }

  #isConstant(node: NodeReader): boolean {
    if (shapeOps.has(node.opType)) return true;
    const inputs = node.inputs.filter((input) => input !== "");
    if (inputs.length === 0) return node.opType === "Constant";
    if (!inputs.every((input) => this.#reader.constant(input) !== undefined)) return false;
    const keeps = this.#options.keepsViews && viewOps.has(node.opType);
    return !(keeps && this.#reader.constant(node.input(0))?.type === "float");
  }

  /**
   * Declares `result` as a constant. A constant that only renames another one is copied, so that it becomes a parameter
   * of its own: PyTorch's exporter stores equal tensors of different layers once, and equal numbers are no reason to
   * train or prune these layers as one.
   */
  #declare(node: NodeReader, name: string, result: Constant): void {
    if (this.#isComputed(node, result)) this.#reader.computed.add(name);
    const isSame = node.inputs.some((input) => input !== "" && this.#reader.constant(input) === result);
    this.#reader.declareConstant(name, isSame ? { ...result, values: result.values.slice() } : result);
  }

  /** Whether no tensor of floats that the file stores is behind `result`. Single numbers do not count as tensors. */
  #isComputed(node: NodeReader, result: Constant): boolean {
    if (node.opType === "Constant" || result.type !== "float") return elementCount(result.dims) <= 1;
    return node.inputs.every((input) => {
      const source = input === "" ? undefined : this.#reader.constant(input);
      const isStored = source?.type === "float" && elementCount(source.dims) > 1;
      return !isStored || this.#reader.computed.has(input);
    });
  }

  /** Runs `compute`. An error that names no node is rethrown about `node`. */
  #computed<T>(node: NodeReader, compute: () => T): T {
    try {
      return compute();
    } catch (error) {
      if (!(error instanceof UserError) || error.details.about !== undefined) throw error;
      throw node.unsupported(statementOf(error), undefined, undefined, error.details.hint);
    }
  }

  #context(node: NodeReader): FoldContext {
    const reader = this.#reader;
    const optional = (index: number): Constant | undefined => {
      const name = node.inputs[index] ?? "";
      return name === "" ? undefined : reader.constant(name);
    };
    return {
      node,
      optional,
      input: (index) => {
        const found = optional(index);
        if (found === undefined) throw node.unsupported(`input ${index} is missing`);
        return found;
      },
      extents: (index) => reader.extents(node.input(index)),
      integers: (index) => reader.integers(node, node.input(index)),
      claim: (dims) => this.#budget.claim(dims),
      attributeTensor: (name) => {
        const message = node.tensor(name);
        return message === undefined ? undefined : this.#options.tensorOf(message, node.name);
      },
    };
  }
}

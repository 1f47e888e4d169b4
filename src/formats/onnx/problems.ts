/** Collects the nodes of a file that are not supported, so that one error lists them all. */
import { statementOf, UserError } from "../../core/errors.ts";

/** The hint for a file that contradicts itself. */
export const UNSOUND_HINT = "Export the network again; onnx.checker.check_model shows what is wrong with the file";

export interface UnreadNode {
  readonly op: string;
  readonly node: string;
  /** Why, as a clause. */
  readonly reason: string;
}

export class Problems {
  readonly #file: string;
  readonly #found: { readonly unread: UnreadNode; readonly error: UserError | undefined }[] = [];
  /** Outputs of nodes that could not be read. */
  readonly #missing = new Set<string>();

  constructor(file: string) {
    this.#file = file;
  }

  /** Outputs of nodes that could not be read, or that depend on such nodes. */
  get missing(): ReadonlySet<string> {
    return this.#missing;
  }

  unknownOp(op: string, node: string, outputs: readonly string[]): void {
    this.#note({ op, node, reason: "this op is not supported" }, undefined, outputs);
  }

  /** Records the `error` of a node; reading then goes on. Rethrows an error that concerns the whole file. */
  refused(op: string, node: string, outputs: readonly string[], error: unknown): void {
    if (!(error instanceof UserError) || error.code !== "unsupported") throw error;
    const { about = "" } = error.details;
    const said = statementOf(error);
    const reason = said.startsWith(`${about}: `) ? said.slice(about.length + 2) : said;
    this.#note({ op, node, reason }, error, outputs);
  }

  /**
   * Whether the node reads the output of a node that could not be read. Its own `outputs` are then missing too, and the
   * node is not reported.
   */
  dependsOnUnread(inputs: readonly string[], outputs: readonly string[]): boolean {
    if (!inputs.some((input) => this.#missing.has(input))) return false;
    for (const output of outputs) this.#missing.add(output);
    return true;
  }

  /** Throws if a node could not be read: the error of a single node, or one error that lists all of them. */
  finish(known: Iterable<string>): void {
    const [first, ...others] = this.#found;
    if (first === undefined) return;
    if (others.length === 0 && first.error !== undefined) throw first.error;
    const unread = this.#found.map((one) => one.unread);
    const byOp = new Map<string, string[]>();
    for (const { op, node } of unread) byOp.set(op, [...(byOp.get(op) ?? []), node]);
    const list = [...byOp].map(([op, nodes]) => `${op} (${nodes.length}, first "${nodes[0]}")`);
    const hasUnknown = this.#found.some(({ error }) => error === undefined);
    throw new UserError("unsupported", `uses ops or forms of ops that are not supported: ${list.join(", ")}`, {
      about: this.#file,
      hint: hasUnknown
        ? `Supported ops: ${[...known].join(", ")}`
        : "Export the network without these nodes, or with other forms of their ops",
      list: unread.map(({ op, node, reason }) => `${op} "${node}": ${reason}`),
    });
  }

  #note(unread: UnreadNode, error: UserError | undefined, outputs: readonly string[]): void {
    this.#found.push({ unread, error });
    for (const output of outputs) this.#missing.add(output);
  }
}

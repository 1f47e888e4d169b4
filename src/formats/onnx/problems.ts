/** Nodes of a file that cannot be read: collected, so that one message names them all. */
import { statementOf, UserError } from "../../core/errors.ts";

/** What to do about a file that contradicts itself. */
export const UNSOUND_HINT = "Export the network again; ONNX's own checker tells where a file is wrong";

export interface UnreadNode {
  readonly op: string;
  readonly node: string;
  /** Why, as a clause. */
  readonly reason: string;
}

export class Problems {
  readonly #file: string;
  readonly #found: { readonly unread: UnreadNode; readonly error: UserError | undefined }[] = [];
  /** What nodes that were not read would have made. */
  readonly #missing = new Set<string>();

  constructor(file: string) {
    this.#file = file;
  }

  unknownOp(op: string, node: string, outputs: readonly string[]): void {
    this.#note({ op, node, reason: "this op is not read" }, undefined, outputs);
  }

  /**
   * Notes `error` of a node, behind which others can still be looked at; throws it where the whole file is at fault.
   */
  refused(op: string, node: string, outputs: readonly string[], error: unknown): void {
    if (!(error instanceof UserError) || error.code !== "unsupported") throw error;
    const { about = "" } = error.details;
    const said = statementOf(error);
    const reason = said.startsWith(`${about}: `) ? said.slice(about.length + 2) : said;
    this.#note({ op, node, reason }, error, outputs);
  }

  /** Whether the node reads what is missing; then so are its `outputs`, and nothing more is said about it. */
  isBehind(inputs: readonly string[], outputs: readonly string[]): boolean {
    if (!inputs.some((input) => this.#missing.has(input))) return false;
    for (const output of outputs) this.#missing.add(output);
    return true;
  }

  /** Throws unless every node could be read: the reason of a single one, else a list. */
  finish(known: Iterable<string>): void {
    const [first, ...others] = this.#found;
    if (first === undefined) return;
    if (others.length === 0 && first.error !== undefined) throw first.error;
    const unread = this.#found.map((one) => one.unread);
    const byOp = new Map<string, string[]>();
    for (const { op, node } of unread) byOp.set(op, [...(byOp.get(op) ?? []), node]);
    const list = [...byOp].map(([op, nodes]) => `${op} (${nodes.length}, first "${nodes[0]}")`);
    const hasUnknown = this.#found.some(({ error }) => error === undefined);
    throw new UserError("unsupported", `uses what is not read: ${list.join(", ")}`, {
      about: this.#file,
      hint: hasUnknown
        ? `Known ops: ${[...known].join(", ")}`
        : "Export the network without these nodes, or with other forms of them",
      list: unread.map(({ op, node, reason }) => `${op} "${node}": ${reason}`),
    });
  }

  #note(unread: UnreadNode, error: UserError | undefined, outputs: readonly string[]): void {
    this.#found.push({ unread, error });
    for (const output of outputs) this.#missing.add(output);
  }
}

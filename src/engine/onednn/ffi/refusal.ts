/**
 * Thrown if the library has no implementation of an operation. It is not an error by itself: the lowering of a node
 * tries another way, and `explain` shows the reason.
 */
export class Refusal extends Error {
  /** The request that was refused, and the library's status. */
  constructor(what: string, status: string) {
    super(`oneDNN refused to ${what}: ${status}`);
    this.name = "Refusal";
  }
}

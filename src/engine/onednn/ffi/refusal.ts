/**
 * The library has no implementation of what was asked. Not an error by itself: whoever lowers a node takes the next
 * way, and `explain` tells why.
 */
export class Refusal extends Error {
  /** What was refused, and the library's status. */
  constructor(what: string, status: string) {
    super(`oneDNN refused to ${what}: ${status}`);
    this.name = "Refusal";
  }
}

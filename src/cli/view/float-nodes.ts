/** The nodes of a quantised network that stay on floats, in a few words. */

interface FloatNode {
  readonly name: string;
  readonly op: string;
}

/** `head.pool (MaxPool), 7 × Erf (gelu1/erf, …)`: names where an op has one node, else a number and an example. */
export function floatNodesText(nodes: readonly FloatNode[]): string {
  const namesOf = new Map<string, string[]>();
  for (const { name, op } of nodes) namesOf.set(op, [...(namesOf.get(op) ?? []), name]);
  return [...namesOf]
    .map(([op, [first = "", ...others]]) =>
      others.length === 0 ? `${first} (${op})` : `${1 + others.length} × ${op} (${first}, …)`,
    )
    .join(", ");
}

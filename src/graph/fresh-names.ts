/** Names for the new nodes, values and parameters of a rewritten graph. */

/** Returns a function from the name that one wants to one that is not among `taken`, nor was returned before. */
export function freshNames(taken: Iterable<string>): (wanted: string) => string {
  const all = new Set(taken);
  return (wanted) => {
    let name = wanted;
    while (all.has(name)) name = `${name}_`;
    all.add(name);
    return name;
  };
}

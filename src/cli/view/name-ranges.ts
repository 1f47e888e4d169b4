/** Many names in few words: `stage1.block1.conv1`, `stage1.block2.conv1`, … are written `stage1.block1…2.conv1`. */

/** A name cut at its numbers; a number is a range of numbers from the start. */
type Part = string | { readonly from: number; readonly to: number };

function partsOf(name: string): readonly Part[] {
  return name.split(/(\d+)/).map((text, index) => (index % 2 === 1 ? { from: Number(text), to: Number(text) } : text));
}

function textOf(parts: readonly Part[]): string {
  return parts
    .map((part) => {
      if (typeof part === "string") return part;
      return part.from === part.to ? `${part.from}` : `${part.from}…${part.to}`;
    })
    .join("");
}

/** `entries` with those joined that differ in the ranges at `position` alone and follow on each other there. */
function joinAt(entries: readonly (readonly Part[])[], position: number): readonly (readonly Part[])[] {
  const joined: (readonly Part[])[] = [];
  const lastOf = new Map<string, number>();
  for (const parts of entries) {
    const part = parts[position];
    if (part === undefined || typeof part === "string") {
      joined.push(parts);
      continue;
    }
    const rest = textOf(parts.with(position, "#"));
    const at = lastOf.get(rest);
    const before = at === undefined ? undefined : joined[at]?.[position];
    if (at !== undefined && before !== undefined && typeof before !== "string" && before.to + 1 === part.from) {
      joined[at] = parts.with(position, { from: before.from, to: part.to });
      continue;
    }
    lastOf.set(rest, joined.length);
    joined.push(parts);
  }
  return joined;
}

/** `names` with runs of numbers joined, in the order in which they begin. Numbers lose leading zeros. */
export function nameRanges(names: readonly string[]): readonly string[] {
  let entries: readonly (readonly Part[])[] = names.map(partsOf);
  const longest = Math.max(0, ...entries.map(({ length }) => length));
  // From the last number on: blocks are counted within their stage.
  for (let position = longest - 1; position > 0; position--) entries = joinAt(entries, position);
  return entries.map(textOf);
}

/** Shortens lists of names: `stage1.block1.conv1` and `stage1.block2.conv1` become `stage1.block1…2.conv1`. */

/** A part of a name: text, or a range of numbers. A single number is a range of one. */
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

/** Joins entries that are equal but for their ranges at `position`, if these ranges are consecutive. */
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

/** Joins names whose numbers are consecutive. The order is that of the first names. Leading zeros are lost. */
export function nameRanges(names: readonly string[]): readonly string[] {
  let entries: readonly (readonly Part[])[] = names.map(partsOf);
  const longest = Math.max(0, ...entries.map(({ length }) => length));
  // Join at the last number first, because blocks are numbered within their stage.
  for (let position = longest - 1; position > 0; position--) entries = joinAt(entries, position);
  return entries.map(textOf);
}

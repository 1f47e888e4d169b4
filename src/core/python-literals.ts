/** Python's notation of lists and dictionaries, as the metadata of files and the cells of tables have it. */

const escapes: ReadonlyMap<string, string> = new Map([
  ...(["\\", "'", '"'] as const).map((one) => [one, one] as const),
  ...([
    ["n", "\n"],
    ["r", "\r"],
    ["t", "\t"],
  ] as const),
]);

/** `text` with Python's strings as JSON has them: `['cat', "cat's"]` becomes `["cat", "cat's"]`. */
export function withJsonStrings(text: string): string {
  return text.replaceAll(/"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'/g, (_, double?: string, single?: string) =>
    JSON.stringify(unescaped(double ?? single ?? "")),
  );
}

function unescaped(inner: string): string {
  return inner.replaceAll(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))/g,
    (whole: string, byte?: string, unit?: string, one = "") => {
      const code = byte ?? unit;
      return code === undefined ? (escapes.get(one) ?? whole) : String.fromCharCode(Number.parseInt(code, 16));
    },
  );
}

/** The names of a network's classes, as the metadata of its file gives them. */
import { z } from "zod";
import { withJsonStrings } from "../../../core/python-literals.ts";
import type { FileHeader, Graph } from "../../../graph/graph.ts";

const list = z.array(z.string());
const byNumber = z.record(z.string().regex(/^\d+$/), z.string());

/** Keys of metadata with names of classes: Espalier's own, and those of other tools. */
const keys = ["classes", "names", "labels", "id2label"] as const;

/** The names of the classes in the order of the logits; undefined if the metadata has none that can be read. */
export function classNamesOf({ header }: Pick<Graph, "header">): readonly string[] | undefined {
  const metadata = new Map(header?.metadata ?? []);
  for (const key of keys) {
    const names = namesIn(metadata.get(key));
    if (names !== undefined && names.length > 0) return names;
  }
  return undefined;
}

/** `header` without names of classes. */
export function withoutClassNames(header: FileHeader): FileHeader {
  const known: ReadonlySet<string> = new Set(keys);
  const { metadata, ...others } = header;
  const left = (metadata ?? []).filter(([key]) => !known.has(key));
  return left.length === 0 ? others : { ...others, metadata: left };
}

/** Reads `["cat","dog"]`, `{"0": "cat", "1": "dog"}`, the same in Python's notation, or names in lines. */
function namesIn(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const value = parsed(text) ?? parsed(fromPython(text));
  const asList = list.safeParse(value);
  if (asList.success) return asList.data;
  const asRecord = byNumber.safeParse(value);
  if (asRecord.success) return inOrder(asRecord.data);
  const lines = text.trim().split(/\r?\n/);
  return value === undefined && lines.length > 1 ? lines : undefined;
}

/** The names of a record whose keys are 0, 1, …; undefined if a number is missing. */
function inOrder(record: Readonly<Record<string, string>>): readonly string[] | undefined {
  const names = Object.keys(record).map((_, index) => record[index]);
  return names.every((name) => name !== undefined) ? names : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: the caller tries another notation.
    return undefined;
  }
}

/** A dictionary or a list of Python as JSON: `{0: 'cat'}` becomes `{"0": "cat"}`. */
function fromPython(text: string): string {
  // Numbers inside strings are no keys, so strings are passed over.
  return withJsonStrings(text).replaceAll(/"(?:[^"\\]|\\.)*"|(\d+)(?=\s*:)/g, (whole, key?: string) =>
    key === undefined ? whole : `"${key}"`,
  );
}

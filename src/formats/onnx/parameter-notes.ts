/**
 * How parameters start and whether they are frozen. ONNX has no place for it, and a run that trains an architecture
 * again needs it. So the file's metadata has an entry for each such parameter, `espalier.parameter.<name>`: words such
 * as `frozen`, `identity` or `whitening=0.0005`.
 */
import { type InitialWeights, initialKinds, type Parameter } from "../../graph/graph.ts";
import type { ModelMessage } from "./proto.ts";

/** Metadata key prefix of the entries. */
export const parameterPrefix = "espalier.parameter.";

const frozenWord = "frozen";

type Notes = Pick<Parameter, "initial" | "isFrozen">;

/** The notes about the parameter `name` of a file. */
export type NotesOf = (name: string) => Notes;

/** The metadata entries for those `parameters` about which there is something to say. */
export function parameterEntries(parameters: readonly Parameter[]): readonly (readonly [key: string, value: string])[] {
  return parameters.flatMap(({ name, initial, isFrozen }) => {
    const words = [...(isFrozen === true ? [frozenWord] : []), ...(initial === undefined ? [] : [wordOf(initial)])];
    return words.length === 0 ? [] : [[`${parameterPrefix}${name}`, words.join(" ")] as const];
  });
}

function wordOf(initial: InitialWeights): string {
  return initial.kind === "whitening" ? `${initial.kind}=${initial.epsilon}` : initial.kind;
}

export function notesIn({ metadataProps }: ModelMessage): NotesOf {
  const notes = new Map(
    (metadataProps ?? []).flatMap(({ key, value }) =>
      key?.startsWith(parameterPrefix) ? [[key.slice(parameterPrefix.length), notesOf(value ?? "")] as const] : [],
    ),
  );
  return (name) => notes.get(name) ?? {};
}

/** Words of later versions are ignored. */
function notesOf(text: string): Notes {
  const words = text.split(" ");
  const [initial] = words.flatMap((word) => initialOf(word) ?? []);
  return { ...(initial === undefined ? {} : { initial }), ...(words.includes(frozenWord) ? { isFrozen: true } : {}) };
}

function initialOf(word: string): InitialWeights | undefined {
  const [name = "", number = ""] = word.split("=");
  const kind = initialKinds.find((one) => one === name);
  if (kind !== "whitening") return kind === undefined ? undefined : { kind };
  const epsilon = Number(number);
  return number !== "" && Number.isFinite(epsilon) && epsilon >= 0 ? { kind, epsilon } : undefined;
}

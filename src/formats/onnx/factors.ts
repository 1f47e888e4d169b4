/**
 * The structures that scaling factors stand for. ONNX has no place for them, so the file's metadata has an entry for
 * each factor: `espalier.factor.<parameter>`, with the value `<kind> <layer>`.
 */
import { factorKinds, type Parameter, type ScaledStructures } from "../../graph/graph.ts";
import type { ModelMessage } from "./proto.ts";

/** Metadata key prefix of the entries. */
export const factorPrefix = "espalier.factor.";

/** The metadata entries for the factors among `parameters`; empty for a factor that stands for no structures. */
export function factorEntries(parameters: readonly Parameter[]): readonly (readonly [key: string, value: string])[] {
  return parameters.flatMap(({ name, kind, scales }) =>
    kind === "factor" ? [[`${factorPrefix}${name}`, scales ? `${scales.kind} ${scales.layer}` : ""] as const] : [],
  );
}

/** The structures that the factor parameter `name` of a file scales; undefined if it stands for none. */
export type ScalesOf = (name: string) => ScaledStructures | undefined;

export function scalesIn({ metadataProps }: ModelMessage): ScalesOf {
  const noted = (metadataProps ?? []).flatMap(({ key = "", value = "" }) => {
    if (!key?.startsWith(factorPrefix)) return [];
    const [word, ...layer] = (value ?? "").split(" ");
    return [[key.slice(factorPrefix.length), structuresOf(word, layer.join(" "))] as const];
  });
  const scales = new Map(noted);
  return noted.length > 0 ? (name) => scales.get(name) : scalesOfName;
}

function structuresOf(word: string | undefined, layer: string): ScaledStructures | undefined {
  const kind = factorKinds.find((one) => one === word);
  return kind === undefined ? undefined : { kind, layer };
}

/** Files of earlier versions have no entries. Their factors are named `<layer>.<kind>.factor`. */
function scalesOfName(name: string): ScaledStructures | undefined {
  const [, layer = "", kind] = /^(.*)\.(\w+)\.factor$/s.exec(name) ?? [];
  return structuresOf(kind, layer);
}

/**
 * File metadata beside the network: producer, opset, documentation and metadata entries. The graph keeps it, and the
 * file written from the graph says the same.
 */

import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import type { FileHeader } from "../../graph/graph.ts";
import { splitKeys } from "./carried/noted.ts";
import { factorPrefix } from "./factors.ts";
import { parameterPrefix } from "./parameter-notes.ts";
import type { ModelMessage } from "./proto.ts";

/** Opset of files written from networks that did not come from a file. */
export const ownOpset = 17;
/**
 * Oldest opset that is written: ops are written in the forms of this opset and later ones. A network from an older file
 * is written in this opset.
 */
const oldestWritten = 13;
/** Newest opset that is read. */
const newestOpset = 28;
/** Newest opset that is written, which ONNX Runtime 1.30 runs. A network from a newer file is written in this opset. */
const newestWritten = 26;
/** Oldest opset that is supported: older ones broadcast in another way. */
const oldestOpset = 7;
const ownProducer = "espalier";
/** Metadata key prefix of exact attribute values that 32 bits cannot represent: `<prefix><node>.<attribute>`. */
export const exactPrefix = "espalier.exact.";
/** Metadata key in files with another producer's name: the constants are laid out as this package writes them. */
export const layoutKey = "espalier.layout";
/**
 * Metadata key in written files that contain transposes: names of the channels-last inputs, one a line. All other
 * inputs, and all nodes, have their channels first.
 */
const channelsLastKey = "espalier.channels_last";

/** The opset of the standard ops. Throws `UserError` if the file does not declare it or it is not supported. */
export function opsetOf({ opsetImport }: ModelMessage, file: string): number {
  const standard = (opsetImport ?? []).find(({ domain }) => !domain || domain === "ai.onnx");
  if (standard === undefined) {
    throw new UserError("bad-file", "does not declare which opset it uses", {
      about: file,
      hint: "The file may be truncated: copy or export it again",
    });
  }
  const opset = standard.version ?? 0;
  if (opset < oldestOpset || opset > newestOpset) {
    throw new UserError("unsupported", `the file's opset is too ${opset < oldestOpset ? "old" : "new"}`, {
      about: file,
      expected: `${oldestOpset} to ${newestOpset}`,
      received: `${opset}`,
      hint: "Export it again with an opset in this range",
    });
  }
  return opset;
}

/** The opset that a network with this `header` is written in. */
export function writtenOpset(header: FileHeader): number {
  return header.opset ?? ownOpset;
}

/** The IR version that belongs to `opset`. The file's own IR version is kept if it is newer. */
export function writtenIrVersion({ irVersion = 0 }: FileHeader, opset: number): number {
  const versions: readonly (readonly [opset: number, ir: number])[] = [
    [25, 12],
    [24, 11],
    [21, 10],
    [19, 9],
    [15, 8],
    [13, 7],
  ];
  return Math.max(irVersion, versions.find(([first]) => opset >= first)?.[1] ?? 7);
}

/**
 * Whether the file has the layout of this package: nodes that compute constants are scaling factors and views of them,
 * and stay nodes.
 */
export function isOwnLayout({ producerName, metadataProps }: ModelMessage): boolean {
  return producerName === ownProducer || (metadataProps ?? []).some(({ key }) => key === layoutKey);
}

/** The channels-last inputs that the metadata names; undefined if the metadata does not mention them. */
export function notedChannelsLast({ metadataProps }: ModelMessage): ReadonlySet<string> | undefined {
  const noted = (metadataProps ?? []).find(({ key }) => key === channelsLastKey)?.value;
  return typeof noted === "string" ? new Set(noted.split("\n").filter((name) => name !== "")) : undefined;
}

/** Whether a metadata entry is about how the file stores the network. The writer makes these entries anew. */
function isOfLayout(key: string): boolean {
  const single: readonly string[] = [layoutKey, channelsLastKey, ...Object.values(splitKeys)];
  const prefixes = [exactPrefix, factorPrefix, parameterPrefix];
  return prefixes.some((prefix) => key.startsWith(prefix)) || single.includes(key);
}

/**
 * The parts of `model`'s header that are kept; undefined if the header says no more than this package writes itself.
 */
export function headerOf(
  model: ModelMessage,
  opset: number,
  batch: string | undefined,
  channelsLast: readonly string[],
): FileHeader | undefined {
  const { graph } = model;
  const metadata = (model.metadataProps ?? [])
    .map(({ key, value }) => [key ?? "", value ?? ""] as const)
    .filter(([key]) => !isOfLayout(key));
  const isOwn = model.producerName === ownProducer;
  const written = Math.min(Math.max(opset, oldestWritten), newestWritten);
  // The version of a newer opset would keep older programs from reading the file.
  const irVersion = opset > newestWritten ? 0 : (model.irVersion ?? 0);
  const modelVersion = model.modelVersion ?? 0;
  const header: FileHeader = {
    ...(written === ownOpset ? {} : { opset: written }),
    ...(irVersion <= writtenIrVersion({}, written) ? {} : { irVersion }),
    ...(isOwn ? {} : { producer: model.producerName ?? "" }),
    ...(model.producerVersion ? { producerVersion: model.producerVersion } : {}),
    ...(model.domain ? { domain: model.domain } : {}),
    ...(modelVersion === 0 ? {} : { modelVersion }),
    ...(model.docString ? { documentation: model.docString } : {}),
    ...(graph?.docString ? { graphDocumentation: graph.docString } : {}),
    ...(batch === undefined || batch === "N" ? {} : { batch }),
    ...(metadata.length === 0 ? {} : { metadata }),
    ...(channelsLast.length === 0 ? {} : { channelsLast }),
  };
  return Object.keys(header).length === 0 ? undefined : header;
}

/**
 * The parts of a model's message that come from `header`. Entries of `metadata` are added to the file's own and
 * override them. `ofNetwork` has the entries about this network's attributes and factors. `hasTransposes`: whether the
 * file has transpose nodes that a reader might take for those of channels-last images.
 */
export function headerMessage(
  header: FileHeader,
  metadata: Readonly<Record<string, string>>,
  ofNetwork: ReadonlyMap<string, string>,
  hasTransposes: boolean,
): ModelMessage {
  const opset = writtenOpset(header);
  const layout = header.producer === undefined ? [] : [[layoutKey, "1"] as const];
  const last = hasTransposes ? [[channelsLastKey, (header.channelsLast ?? []).join("\n")] as const] : [];
  const properties = new Map([
    ...(header.metadata ?? []),
    ...Object.entries(metadata),
    ...layout,
    ...last,
    ...ofNetwork,
  ]);
  return {
    irVersion: writtenIrVersion(header, opset),
    producerName: header.producer ?? ownProducer,
    ...optional({
      producerVersion: header.producerVersion,
      domain: header.domain,
      modelVersion: header.modelVersion,
      docString: header.documentation,
    }),
    opsetImport: [{ domain: "", version: opset }],
    metadataProps: [...properties].map(([key, value]) => ({ key, value })),
  };
}

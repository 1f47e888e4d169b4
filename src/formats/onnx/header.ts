/**
 * What a file says of a network besides the network: who made it, in which opset, its notes and metadata. It stays with
 * the graph, so that a file written from it says the same.
 */
import { UserError } from "../../core/errors.ts";
import type { FileHeader } from "../../graph/graph.ts";
import type { ModelMessage } from "./proto.ts";

/** Opset of files that came from no file. */
export const ownOpset = 17;
/** Forms of ops are written as this opset and later ones have them; of an older file the opset is raised to it. */
const oldestWritten = 13;
/** Newest opset whose forms are known. */
const newestOpset = 26;
/** Older ones have other meanings of broadcasting. */
const oldestOpset = 7;
const ownProducer = "espalier";
/** Model metadata: exact values of attributes that 32 bits cannot hold, by `<prefix><node>.<attribute>`. */
export const exactPrefix = "espalier.exact.";
/**
 * Model metadata: says of a file with another producer's name that its constants are laid out as this package writes
 * them.
 */
export const layoutKey = "espalier.layout";
/**
 * Model metadata of a written file with transposings in it: the inputs that have their channels last, a name a line.
 * All others, and all nodes, are laid out as they are inside.
 */
const channelsLastKey = "espalier.channels_last";

/** The opset of the standard ops; throws `UserError` where the file does not say it, or it is not read. */
export function opsetOf({ opsetImport }: ModelMessage, file: string): number {
  const standard = (opsetImport ?? []).find(({ domain }) => !domain || domain === "ai.onnx");
  if (standard === undefined) {
    throw new UserError("bad-file", "does not say which opset it uses", {
      about: file,
      hint: "It may have been cut short.",
    });
  }
  const opset = standard.version ?? 0;
  if (opset < oldestOpset || opset > newestOpset) {
    throw new UserError("unsupported", `the file's opset is too ${opset < oldestOpset ? "old" : "new"}`, {
      about: file,
      expected: `${oldestOpset} to ${newestOpset}`,
      received: `${opset}`,
      hint: "Export it again with an opset in between.",
    });
  }
  return opset;
}

/** The opset that a network with `header` is written in. */
export function writtenOpset(header: FileHeader): number {
  return header.opset ?? ownOpset;
}

/** Version of the file format that came with an opset; a file's own is kept where it is newer. */
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

/** Whether constants that nodes compute are factors and views of them, to be kept as nodes. */
export function isOwnLayout({ producerName, metadataProps }: ModelMessage): boolean {
  return producerName === ownProducer || (metadataProps ?? []).some(({ key }) => key === layoutKey);
}

/** The inputs that a file of this package says have their channels last; undefined where it does not say. */
export function notedChannelsLast({ metadataProps }: ModelMessage): ReadonlySet<string> | undefined {
  const noted = (metadataProps ?? []).find(({ key }) => key === channelsLastKey)?.value;
  return typeof noted === "string" ? new Set(noted.split("\n").filter((name) => name !== "")) : undefined;
}

/** The header of `model`, as far as it is kept; undefined where it says no more than this package itself does. */
export function headerOf(
  model: ModelMessage,
  opset: number,
  batch: string | undefined,
  channelsLast: readonly string[],
): FileHeader | undefined {
  const { graph } = model;
  const metadata = (model.metadataProps ?? [])
    .map(({ key, value }) => [key ?? "", value ?? ""] as const)
    .filter(([key]) => !key.startsWith(exactPrefix) && key !== layoutKey && key !== channelsLastKey);
  const isOwn = model.producerName === ownProducer;
  const written = Math.max(opset, oldestWritten);
  const irVersion = model.irVersion ?? 0;
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
 * The parts of a model's message that come from `header`; `metadata` is added to the file's own, and wins.
 * `hasTransposings`: whether the file has nodes that a reader might take for those of images with their channels last.
 */
export function headerMessage(
  header: FileHeader,
  metadata: Readonly<Record<string, string>>,
  exact: ReadonlyMap<string, string>,
  hasTransposings: boolean,
): ModelMessage {
  const opset = writtenOpset(header);
  const layout = header.producer === undefined ? [] : [[layoutKey, "1"] as const];
  const last = hasTransposings ? [[channelsLastKey, (header.channelsLast ?? []).join("\n")] as const] : [];
  const properties = new Map([...(header.metadata ?? []), ...Object.entries(metadata), ...layout, ...last, ...exact]);
  return {
    irVersion: writtenIrVersion(header, opset),
    producerName: header.producer ?? ownProducer,
    ...(header.producerVersion === undefined ? {} : { producerVersion: header.producerVersion }),
    ...(header.domain === undefined ? {} : { domain: header.domain }),
    ...(header.modelVersion === undefined ? {} : { modelVersion: header.modelVersion }),
    ...(header.documentation === undefined ? {} : { docString: header.documentation }),
    opsetImport: [{ domain: "", version: opset }],
    metadataProps: [...properties].map(([key, value]) => ({ key, value })),
  };
}

/**
 * A network that normalises its images itself: files of many tools begin with a division by 255, or the subtraction of
 * a mean. Such a network must get the pixels that these first nodes expect, and nothing would report other ones.
 */
import type { Normalization } from "../../../data/dataset.ts";
import { type Graph, type Network, type Node, readers } from "../../../graph/graph.ts";
import { bindBatch } from "../../../graph/shapes.ts";

/** What the first nodes of a network do to a channel: x → slope · x + offset. */
interface Affine {
  readonly slope: number;
  readonly offset: number;
}

/** The values that a network takes although it normalises them itself. */
export interface NetworkNormalization {
  /** The largest value of a pixel: 255 or 1. */
  readonly white: 1 | 255;
  /** What pixels / 255 must be normalised by to get such values. */
  readonly normalization: Normalization;
}

/** A slope below this one makes values near 1 of pixels up to 255 only. */
const LARGEST_SLOPE_OF_BYTES = 0.05;
/** A mean above this one is not the mean of values up to 1. */
const LARGEST_MEAN_OF_SHARES = 2;

/** The values that `network` takes, if its first nodes multiply them by constants or add constants; else undefined. */
export function networkNormalizationOf({ graph, weights }: Network): NetworkNormalization | undefined {
  const [input] = graph.inputs;
  const channels = input === undefined ? undefined : channelsOf(graph);
  if (input === undefined || channels === undefined) return undefined;
  const constants = new Set(graph.parameters.flatMap(({ name, kind }) => (kind === "constant" ? [name] : [])));
  const read = readers(graph);
  let maps: readonly Affine[] = Array.from({ length: channels }, () => ({ slope: 1, offset: 0 }));
  let value = input.name;
  for (;;) {
    const [node, ...others] = read.get(value) ?? [];
    if (node === undefined || others.length > 0) break;
    const next = node.op === "transpose" ? maps : followed(node, maps, { weights, constants });
    if (next === undefined) break;
    maps = next;
    value = node.outputs[0] ?? "";
  }
  const isUnchanged = maps.every(({ slope, offset }) => slope === 1 && offset === 0);
  if (isUnchanged || maps.some(({ slope }) => slope <= 0)) return undefined;
  const isOfBytes = maps.some(
    ({ slope, offset }) => slope < LARGEST_SLOPE_OF_BYTES || -offset / slope > LARGEST_MEAN_OF_SHARES,
  );
  const white = isOfBytes ? 255 : 1;
  return {
    white,
    normalization: { mean: maps.map(() => 0), standardDeviation: maps.map(() => 1 / white) },
  };
}

/** Number of channels of the first input, wherever they are: 1 or 3 of images; undefined for anything else. */
function channelsOf({ inputs: [input] }: Graph): number | undefined {
  if (input === undefined) return undefined;
  const [, ...extents] = bindBatch(input.shape, 1);
  return [extents[0], extents.at(-1)].find((extent) => extent === 1 || extent === 3);
}

/** `maps`, followed by `node`; undefined if the node is not such a map by constants. */
function followed(
  node: Node,
  maps: readonly Affine[],
  { weights, constants }: Pick<Network, "weights"> & { readonly constants: ReadonlySet<string> },
): readonly Affine[] | undefined {
  if (node.op === "activation") {
    const { attributes } = node;
    if (attributes.function !== "linear") return undefined;
    return maps.map((map) => scaled(map, attributes.slope, attributes.offset));
  }
  if (node.op !== "gain" && node.op !== "bias") return undefined;
  const [, name = ""] = node.inputs;
  const values = weights.get(name)?.data;
  if (values === undefined || !constants.has(name)) return undefined;
  return maps.map((map, channel) => {
    const own = values[values.length === 1 ? 0 : channel] ?? Number.NaN;
    return node.op === "gain" ? scaled(map, own, 0) : scaled(map, 1, own);
  });
}

function scaled(map: Affine, slope: number, offset: number): Affine {
  return { slope: slope * map.slope, offset: slope * map.offset + offset };
}

/** A sentence about the values that a network takes. */
export function networkNormalizationNote({ white }: NetworkNormalization): string {
  return (
    `The network normalises its images itself, so it gets values 0 … ${white}. ` +
    "If that is wrong, give --mean and --std of pixels / 255"
  );
}

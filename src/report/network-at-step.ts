/**
 * The picture's data for one step of a run: the network as if it were pruned at its current zeros. The cost model
 * (`src/selection/cost-model.ts`) counts widths and MACs. The result equals a real cut, except for layers that are kept
 * because they are on the only path.
 */
import { costModelOf } from "../selection/cost-model.ts";
import type { LostPart } from "../selection/structure-parts.ts";
import type { Skeleton } from "./network-skeleton.ts";
import type { BlockView, LayerView, StructureView } from "./structure.ts";

/** By structure: what pruning it takes from the layers. */
type LostParts = readonly (readonly LostPart[])[];

/** For each group of a grouped convolution, whether any of its output channels is left; empty for any other layer. */
function openGroups(layer: LayerView, index: number, lost: LostParts, alive: Uint8Array): readonly boolean[] {
  if (layer.groups.length === 0) return layer.groups;
  const open = new Uint8Array(layer.widthBefore).fill(1);
  let channel = 0;
  // The structures of a layer's channels come in the order of the channels.
  for (const [structure, parts] of lost.entries()) {
    const outputs = parts.find((part) => part.layer === index)?.outputs ?? 0;
    if (alive[structure] === 0) open.fill(0, channel, channel + outputs);
    channel += outputs;
  }
  const size = open.length / layer.groups.length;
  return layer.groups.map((_, group) => open.subarray(group * size, (group + 1) * size).includes(1));
}

/** `alive`: 1 for each structure that is not zero. */
export function viewAt({ view, layers: parts, structures }: Skeleton, alive: Uint8Array): StructureView {
  const lost: LostParts = structures.flatMap((one) => Array.from({ length: one.count }, () => one.lost));
  const model = costModelOf({ layers: parts, partsOf: (structure) => lost[structure] ?? [] }, "macs");
  const remaining = model.remaining(alive.map((one) => 1 - one));
  const indices = new Map(parts.map(({ name }, index) => [name, index] as const));
  const layerAt = (layer: LayerView): LayerView => {
    const index = indices.get(layer.name);
    if (index === undefined) return layer;
    const { outputs, cost } = remaining.layer(index);
    const groups = outputs === 0 ? layer.groups.map(() => false) : openGroups(layer, index, lost, alive);
    return { ...layer, widthAfter: outputs, macsAfter: cost, groups };
  };
  const layers = view.layers.map(layerAt);
  const gone = (layer: LayerView): LayerView => ({
    ...{ ...layer, widthAfter: 0, macsAfter: 0 },
    groups: layer.groups.map(() => false),
  });
  const blocks = view.blocks.map((block): BlockView => {
    const own = layers.slice(block.first, block.last + 1);
    // A branch with a layer of width zero adds nothing to the sum.
    const isCut = own.some(({ widthAfter }) => widthAfter === 0);
    if (isCut) layers.splice(block.first, own.length, ...own.map(gone));
    return { ...block, shortcut: block.shortcut && layerAt(block.shortcut), isCut };
  });
  return { layers, blocks };
}

/**
 * The picture's data for one step of a run: the network as if it were pruned at its current zeros. Widths follow the
 * factors, MACs follow the widths. The result equals a real cut, except for layers that are kept because they are on
 * the only path.
 */
import type { Gated, LayerFlow, Skeleton } from "./channel-gates.ts";
import type { BlockView, LayerView, StructureView } from "./structure.ts";

/** 1 for each channel without a gate at zero. */
function openChannels({ channels, gates }: Gated, alive: Uint8Array): Uint8Array {
  const open = new Uint8Array(channels).fill(1);
  for (const { at, channels: own, first, count } of gates) {
    for (let channel = 0; channel < own; channel++) {
      if (alive[first + Math.floor((channel * count) / own)] === 0) open[at + channel] = 0;
    }
  }
  return open;
}

function count(open: Uint8Array): number {
  return open.reduce((sum, one) => sum + one, 0);
}

/** For each of `groups`, whether any of its channels is open. */
function openGroups(open: Uint8Array, groups: number): boolean[] {
  const size = open.length / groups;
  return Array.from({ length: groups }, (_, group) => open.subarray(group * size, (group + 1) * size).includes(1));
}

function layerAt(layer: LayerView, flow: LayerFlow | undefined, alive: Uint8Array): LayerView {
  if (flow === undefined) return layer;
  const [written, readable] = [openChannels(flow.out, alive), openChannels(flow.in, alive)];
  const [width, read] = [count(written), count(readable)];
  // Each group reads its own channels, so a cut removes input and output channels together. Depthwise: one each.
  const isDepthwise = flow.groups > 1 && flow.groups === flow.in.channels;
  const own = isDepthwise ? Math.min(width, read) : width;
  const share = flow.groups > 1 ? 1 : read / Math.max(1, flow.in.channels);
  return {
    ...layer,
    widthAfter: own,
    macsAfter: Math.round(layer.macsBefore * share * (own / Math.max(1, flow.out.channels))),
    groups: layer.groups.length === 0 ? layer.groups : openGroups(written, layer.groups.length),
  };
}

/** `alive`: 1 for each structure that is not zero. */
export function viewAt({ view, flows, branches }: Skeleton, alive: Uint8Array): StructureView {
  const layers = view.layers.map((layer) => layerAt(layer, flows[layer.name], alive));
  const gone = (layer: LayerView): LayerView => ({
    ...{ ...layer, widthAfter: 0, macsAfter: 0 },
    groups: layer.groups.map(() => false),
  });
  const blocks = view.blocks.map((block): BlockView => {
    const own = layers.slice(block.first, block.last + 1);
    const branch = branches[block.name];
    // A branch with a layer of width zero, or with a factor of zero, adds nothing to the sum.
    const isCut = (branch !== undefined && alive[branch] === 0) || own.some(({ widthAfter }) => widthAfter === 0);
    if (isCut) layers.splice(block.first, own.length, ...own.map(gone));
    const shortcut = block.shortcut && layerAt(block.shortcut, flows[block.shortcut.name], alive);
    return { ...block, shortcut, isCut };
  });
  return { layers, blocks };
}

/** The living groups of `now`, and the first ones of those that the cut kept additionally (it may round up). */
function groupsOf(cut: LayerView, now: LayerView | undefined): readonly boolean[] {
  const left = cut.groups.filter((isLeft) => isLeft).length;
  const living = (now?.groups ?? []).filter((isLeft) => isLeft).length;
  if (now === undefined || living > left || now.groups.length !== cut.groups.length) return cut.groups;
  let more = left - living;
  return now.groups.map((isLeft) => isLeft || more-- > 0);
}

/** The picture of a cut, which only has the number of groups that are left, with the groups that are alive. */
export function withGroups(cut: StructureView, skeleton: Skeleton, alive: Uint8Array): StructureView {
  const moment = new Map(viewAt(skeleton, alive).layers.map((layer) => [layer.name, layer] as const));
  const layers = cut.layers.map((layer) =>
    layer.groups.length === 0 ? layer : { ...layer, groups: groupsOf(layer, moment.get(layer.name)) },
  );
  return { ...cut, layers };
}

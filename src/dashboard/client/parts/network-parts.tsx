/** The layers and blocks of a network in order, with the figures that the page shows for each. */
import { useState } from "preact/hooks";
import { groupsLeft } from "../../../report/diagram.ts";
import { formatCount, formatPercent, formatQuantity, percentOf, plural } from "../../../report/format.ts";
import { type MarginsAt, marginWords } from "../../../report/margins.ts";
import type { BlockView, LayerView, StructureView } from "../../../report/structure.ts";
import type { StructureKind } from "../../../training/events/events.ts";

export interface Margins {
  /** Margins of the structures that are not pruned yet; undefined before the end of the first epoch. */
  readonly now: MarginsAt | undefined;
  /** Lowest margin of the structures that were pruned during training, by "<kind> <layer>". */
  readonly cut: Readonly<Record<string, number>>;
}

export interface Part {
  readonly name: string;
  /** How much of the part is left, in words. */
  readonly left: string;
  readonly macsBefore: number;
  readonly macsAfter: number;
  readonly pixels: string;
  /** Empty for parts without factors, and if no margin is known. */
  readonly margin: string;
}

const ofLayers: readonly StructureKind[] = ["neuron", "group", "stream"];

function marginOf({ now, cut }: Margins, name: string, kinds: readonly StructureKind[]): string {
  const known = kinds.flatMap((kind): string[] => {
    const words = marginWords(now?.of[`${kind} ${name}`], cut[`${kind} ${name}`]);
    return words === "" ? [] : [kind === "stream" ? `stream ${words}` : words];
  });
  return known.join("; ");
}

function layerPart(layer: LayerView, margins: Margins): Part {
  const { name, op, widthBefore, widthAfter, macsBefore, macsAfter, pixels, groups } = layer;
  const unit = op === "linear" ? "features" : "channels";
  const ofGroups = groups.length === 0 ? "" : `, ${groupsLeft(layer)} of ${groups.length} groups`;
  const left = `${formatCount(widthAfter)} of ${formatCount(widthBefore)} ${unit}${ofGroups}`;
  return { name, left, macsBefore, macsAfter, pixels, margin: marginOf(margins, name, ofLayers) };
}

function blockPart({ name, first, last, isCut }: BlockView, layers: readonly LayerView[], margins: Margins): Part {
  const own = layers.slice(first, last + 1);
  const sum = (key: "macsBefore" | "macsAfter"): number => own.reduce((total, layer) => total + layer[key], 0);
  return {
    name,
    left: `branch of ${plural(own.length, "layer")} ${isCut ? "pruned" : "kept"}`,
    ...{ macsBefore: sum("macsBefore"), macsAfter: sum("macsAfter"), pixels: "" },
    margin: marginOf(margins, name, ["block"]),
  };
}

/** All parts in the order of the forward pass. A block's shortcut and the block itself follow its branch. */
export function partsOf({ layers, blocks }: StructureView, margins: Margins): readonly Part[] {
  return layers.flatMap((layer, index): Part[] => [
    layerPart(layer, margins),
    ...blocks
      .filter(({ last }) => last === index)
      .flatMap((block) => [
        ...(block.shortcut === undefined ? [] : [layerPart(block.shortcut, margins)]),
        blockPart(block, layers, margins),
      ]),
  ]);
}

export function Details({ part, margins: { now } }: { readonly part: Part | undefined; readonly margins: Margins }) {
  if (part === undefined) {
    return <p class="details soft">Point at a layer or a block, or use the arrow keys, to see its figures.</p>;
  }
  const { name, left, macsBefore, macsAfter, pixels, margin } = part;
  return (
    <p class="details" aria-live="polite">
      <b>{name}</b>
      <span>{left}</span>
      <span>
        {formatQuantity(macsAfter)} of {formatQuantity(macsBefore)} MACs (
        {formatPercent(percentOf(macsAfter, macsBefore))})
      </span>
      {pixels !== "" && <span>{pixels} pixels</span>}
      {margin !== "" && (
        <span title="∂loss/∂λ + γ: above zero, it keeps a factor at zero, or makes a larger factor smaller">
          margin{now === undefined ? "" : ` after epoch ${now.epoch}`}: {margin}
        </span>
      )}
    </p>
  );
}

export function PartTable({ parts }: { readonly parts: () => readonly Part[] }) {
  const [isOpen, open] = useState(false);
  return (
    <details onToggle={({ currentTarget }) => open(currentTarget.open)}>
      <summary>All layers and blocks as a table</summary>
      <div class="scroll" tabIndex={0} role="region" aria-label="All layers and blocks">
        <table>
          <thead>
            <tr>
              <th scope="col">part</th>
              <th scope="col">left</th>
              <th scope="col" class="n">
                MACs
              </th>
              <th scope="col">margin ∂loss/∂λ + γ</th>
            </tr>
          </thead>
          <tbody>
            {isOpen &&
              parts().map(({ name, left, macsAfter, margin }) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td>{left}</td>
                  <td class="n">{formatQuantity(macsAfter)}</td>
                  <td>{margin}</td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

/** The network at one moment of a run: the report's picture, with each layer to be looked at by pointer or by arrow keys. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { diagram } from "../../../report/diagram.ts";
import { formatCount, formatPercent, formatQuantity, formatSmall, percentOf } from "../../../report/format.ts";
import type { LayerView, StructureView } from "../../../report/structure.ts";
import { useWidth } from "../width.ts";

export interface TreeProps {
  readonly view: StructureView;
  /** Lowest margins by "<kind> <layer>". */
  readonly margins: Readonly<Record<string, number>>;
}

function marginOf(margins: TreeProps["margins"], layer: string): number | undefined {
  const own = ["neuron", "group", "stream"].flatMap((kind) => margins[`${kind} ${layer}`] ?? []);
  return own.length === 0 ? undefined : Math.min(...own);
}

/** All layers in order, those on shortcuts after the block they belong to. */
function allLayers({ layers, blocks }: StructureView): readonly LayerView[] {
  return [...layers, ...blocks.flatMap(({ shortcut }) => shortcut ?? [])];
}

function Details({
  layer,
  margins,
}: {
  readonly layer: LayerView | undefined;
  readonly margins: TreeProps["margins"];
}) {
  if (layer === undefined) {
    return <p class="details soft">Point at a layer, or move through them with the arrow keys, to read its numbers.</p>;
  }
  const { name, op, widthBefore, widthAfter, macsBefore, macsAfter, pixels } = layer;
  const margin = marginOf(margins, name);
  return (
    <p class="details" aria-live="polite">
      <b>{name}</b>
      <span>
        {formatCount(widthAfter)} of {formatCount(widthBefore)} {op === "linear" ? "features" : "channels"}
      </span>
      <span>
        {formatQuantity(macsAfter)} of {formatQuantity(macsBefore)} MACs (
        {formatPercent(percentOf(macsAfter, macsBefore))})
      </span>
      {pixels !== "" && <span>{pixels} pixels</span>}
      <span>{margin === undefined ? "no margin yet" : `lowest margin of what was cut ${formatSmall(margin)}`}</span>
    </p>
  );
}

function LayerTable({ view, margins }: TreeProps) {
  return (
    <details>
      <summary>All layers as a table</summary>
      <div class="scroll" tabIndex={0} role="region" aria-label="All layers">
        <table>
          <thead>
            <tr>
              <th scope="col">layer</th>
              <th scope="col" class="n">
                left
              </th>
              <th scope="col" class="n">
                of
              </th>
              <th scope="col" class="n">
                MACs
              </th>
              <th scope="col" class="n">
                lowest margin
              </th>
            </tr>
          </thead>
          <tbody>
            {allLayers(view).map((layer) => {
              const margin = marginOf(margins, layer.name);
              return (
                <tr key={layer.name}>
                  <th scope="row">{layer.name}</th>
                  <td class="n">{layer.widthAfter}</td>
                  <td class="n">{layer.widthBefore}</td>
                  <td class="n">{formatQuantity(layer.macsAfter)}</td>
                  <td class="n">{margin === undefined ? "" : formatSmall(margin)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </details>
  );
}

export function Tree({ view, margins }: TreeProps) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const [chosen, choose] = useState<string>();
  const html = useMemo(() => ({ __html: diagram(view, width, "tree").markup }), [view, width]);
  const layers = allLayers(view);
  const onKeyDown = (event: KeyboardEvent): void => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (move === undefined) return;
    event.preventDefault();
    const at = layers.findIndex(({ name }) => name === chosen);
    choose(layers[Math.min(layers.length - 1, Math.max(0, at + move))]?.name);
  };
  const onPointer = ({ target }: PointerEvent): void => {
    const layer = target instanceof Element ? target.closest("[data-layer]")?.getAttribute("data-layer") : undefined;
    if (layer !== undefined && layer !== null) choose(layer);
  };
  useEffect(() => {
    for (const layer of place.current?.querySelectorAll("[data-layer]") ?? []) {
      layer.classList.toggle("chosen", layer.getAttribute("data-layer") === chosen);
    }
  }, [chosen, html]);
  return (
    <>
      <Details layer={layers.find(({ name }) => name === chosen)} margins={margins} />
      <div
        class="drawing"
        role="group"
        aria-label="The network; arrow keys go through its layers"
        tabIndex={0}
        onKeyDown={onKeyDown}
        onPointerOver={onPointer}
        onPointerDown={onPointer}
      >
        <div ref={place} dangerouslySetInnerHTML={html} />
      </div>
      <LayerTable view={view} margins={margins} />
    </>
  );
}

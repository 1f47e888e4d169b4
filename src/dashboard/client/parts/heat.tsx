/** Every scaling factor over the epochs: the report's picture, where pointer and arrow keys show single values. */
import { useMemo, useRef, useState } from "preact/hooks";
import { formatSmall } from "../../../report/format.ts";
import {
  describeLevels,
  HEAT_HEIGHT,
  heatBox,
  heatKey,
  heatMap,
  heatOrder,
  heatPixels,
  type Levels,
  structureName,
} from "../../../report/heat.ts";
import { useWidth } from "../width.ts";

export function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** The picture as a data URL. */
function pictureOf(levels: Levels, values: Uint8Array, order: Uint32Array): string {
  const { width, height, data } = heatPixels(levels, values, order);
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")?.putImageData(new ImageData(Uint8ClampedArray.from(data), width, height), 0, 0);
  return canvas.toDataURL();
}

/** A position in the picture. */
interface Place {
  readonly column: number;
  readonly row: number;
}

function HeatPicture({ levels, values }: { readonly levels: Levels; readonly values: Uint8Array }) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const [chosen, choose] = useState<Place>();
  const { epochs, structures, maximum } = levels;
  const order = useMemo(() => heatOrder(levels, values), [levels, values]);
  const href = useMemo(() => pictureOf(levels, values, order), [order]);
  const label = useMemo(() => describeLevels(levels, values), [levels, values]);
  const html = useMemo(() => ({ __html: heatMap(levels, label, width, href, "map").markup }), [href, label, width]);
  const within = (column: number, row: number): Place => ({
    column: Math.min(epochs.length - 1, Math.max(0, column)),
    row: Math.min(structures - 1, Math.max(0, row)),
  });
  const onMove = ({ clientX, clientY }: PointerEvent): void => {
    const drawn = place.current?.querySelector("svg")?.getBoundingClientRect();
    if (drawn === undefined) return;
    const scale = width / drawn.width;
    const box = heatBox(width);
    const x = ((clientX - drawn.left) * scale - box.left) / box.width;
    const y = ((clientY - drawn.top) * scale - box.top) / HEAT_HEIGHT;
    choose(within(Math.floor(x * epochs.length), Math.floor(y * structures)));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = event.shiftKey ? 10 : 1;
    const moves: Readonly<Record<string, readonly [number, number]>> = {
      ...{ ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] },
    };
    const [columns, rows] = moves[event.key] ?? [];
    if (columns === undefined || rows === undefined) return;
    event.preventDefault();
    choose(chosen === undefined ? within(epochs.length - 1, 0) : within(chosen.column + columns, chosen.row + rows));
  };
  const structure = order[chosen?.row ?? 0] ?? 0;
  const value = values[(chosen?.column ?? 0) * structures + structure] ?? 0;
  const amount = value === 0 ? "= 0" : `≈ ${formatSmall((value / 255) * maximum)}`;
  return (
    <>
      <p class="details" aria-live="polite">
        {chosen === undefined ? (
          <span class="soft">Point at a place, or move with the arrow keys, to read a value.</span>
        ) : (
          <>
            <b>{structureName(levels, structure)}</b>
            <span>
              epoch {epochs[chosen.column]}: λ {amount}
            </span>
          </>
        )}
      </p>
      <div
        class="drawing"
        role="group"
        aria-label={`${label}; move with the arrow keys`}
        tabIndex={0}
        onKeyDown={onKeyDown}
        onPointerMove={onMove}
        onPointerDown={onMove}
      >
        <div ref={place} dangerouslySetInnerHTML={html} />
      </div>
    </>
  );
}

/** `levels` is undefined until they arrive. `isEmpty`: whether the run has no factors. */
export function HeatMap({ levels, isEmpty }: { readonly levels: Levels | undefined; readonly isEmpty: boolean }) {
  const values = useMemo(() => bytesOf(levels?.values ?? ""), [levels?.values]);
  const key = useMemo(() => ({ __html: levels === undefined ? "" : heatKey(levels).markup }), [levels?.maximum]);
  if (isEmpty) return <p class="soft">This run has no scaling factors.</p>;
  if (levels === undefined || levels.epochs.length === 0) {
    const why = levels === undefined ? "" : "There are no values yet. They arrive after each epoch.";
    return <p class="heat soft">{why}</p>;
  }
  return (
    <figure class="heat">
      <div dangerouslySetInnerHTML={key} />
      <HeatPicture levels={levels} values={values} />
    </figure>
  );
}

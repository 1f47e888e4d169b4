/** Every scaling factor over the epochs: a row a structure, in the order of the network; zero stands out. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatCount, formatSmall } from "../../../report/format.ts";
import type { Levels } from "../../protocol.ts";

const HEIGHT = 360;
/** Sequential, even in lightness, told apart by colour-blind people (after viridis): small to large. */
const STOPS: readonly (readonly [number, number, number])[] = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];

function shade(level: number): readonly [number, number, number] {
  const at = (level / 255) * (STOPS.length - 1);
  const index = Math.min(STOPS.length - 2, Math.floor(at));
  const [from = [0, 0, 0], to = [0, 0, 0]] = STOPS.slice(index, index + 2);
  const part = at - index;
  const mix = (channel: 0 | 1 | 2): number => Math.round(from[channel] + (to[channel] - from[channel]) * part);
  return [mix(0), mix(1), mix(2)];
}

export function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** One pixel an epoch and a structure; where structures outnumber `HEIGHT` rows, a row shows the mean of its own. */
function pixels({ epochs, structures }: Levels, values: Uint8Array): ImageData {
  const rows = Math.min(structures, HEIGHT * 2);
  const image = new ImageData(epochs.length, rows);
  const palette = Array.from({ length: 256 }, (_, level) => shade(level));
  for (let row = 0; row < rows; row++) {
    const first = Math.floor((row * structures) / rows);
    const end = Math.max(first + 1, Math.floor(((row + 1) * structures) / rows));
    for (let epoch = 0; epoch < epochs.length; epoch++) {
      let sum = 0;
      for (let index = first; index < end; index++) sum += values[epoch * structures + index] ?? 0;
      const mean = sum / (end - first);
      // Zero is no colour at all: the card shows through.
      const [red, green, blue] = palette[Math.round(mean)] ?? [0, 0, 0];
      image.data.set([red, green, blue, sum === 0 ? 0 : 255], 4 * (row * epochs.length + epoch));
    }
  }
  return image;
}

/** The layer of structure `number`, and its number there. */
function placeOf({ rows }: Levels, number: number): string {
  let first = 0;
  for (const { layer, kind, count } of rows) {
    if (number < first + count) return `${layer}, ${kind} ${number - first + 1} of ${count}`;
    first += count;
  }
  return "";
}

export function HeatMap({ levels }: { readonly levels: Levels }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [told, tell] = useState<string>();
  const values = useMemo(() => bytesOf(levels.values), [levels.values]);
  const { epochs, structures, maximum } = levels;
  useEffect(() => {
    const at = canvas.current;
    if (at === null || epochs.length === 0 || structures === 0) return;
    const image = pixels(levels, values);
    at.width = image.width;
    at.height = image.height;
    at.getContext("2d")?.putImageData(image, 0, 0);
  }, [levels, values, epochs.length, structures]);
  const onMove = (event: PointerEvent): void => {
    const box = canvas.current?.getBoundingClientRect();
    if (box === undefined) return;
    const column = Math.min(epochs.length - 1, Math.floor(((event.clientX - box.left) / box.width) * epochs.length));
    const number = Math.min(structures - 1, Math.floor(((event.clientY - box.top) / box.height) * structures));
    const value = ((values[column * structures + number] ?? 0) / 255) * maximum;
    tell(`${placeOf(levels, number)}, epoch ${epochs[column]}: λ ${value === 0 ? "= 0" : `≈ ${formatSmall(value)}`}`);
  };
  if (structures === 0) return <p class="soft">This run has no scaling factors.</p>;
  if (epochs.length === 0) return <p class="soft">There are no values yet; they come at the end of each epoch.</p>;
  const zero = values.subarray((epochs.length - 1) * structures).reduce((sum, value) => sum + (value === 0 ? 1 : 0), 0);
  const label = `${formatCount(structures)} scaling factors over ${epochs.length} epochs; ${formatCount(zero)} of them are zero at the end`;
  return (
    <figure class="heat">
      <p class="legend">
        <span class="entry">
          <i class="swatch zero" /> zero
        </span>
        <span class="entry">
          small <i class="ramp" /> {formatSmall(maximum)}
        </span>
        <span class="entry">
          rows: structures in the order of the network; columns: epochs {epochs[0]} to {epochs.at(-1)}
        </span>
      </p>
      <canvas
        ref={canvas}
        role="img"
        aria-label={label}
        onPointerMove={onMove}
        onPointerLeave={() => tell(undefined)}
      />
      <p class="details soft">{told ?? label}</p>
    </figure>
  );
}

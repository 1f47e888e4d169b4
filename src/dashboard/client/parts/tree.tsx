/**
 * The network at one step of a run: the report's picture, where pointer and arrow keys show the figures of single
 * layers and blocks.
 */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { type DiagramPieces, diagramPieces } from "../../../report/diagram.ts";
import type { StructureView } from "../../../report/structure.ts";
import { svg } from "../../../report/svg.ts";
import { patch } from "../patch.ts";
import { useWidth } from "../width.ts";
import { Details, type Margins, PartTable, partsOf } from "./network-parts.tsx";

export interface TreeProps {
  readonly view: StructureView;
  readonly margins: Margins;
}

/** Draws `next` into `place`. If `before` is already drawn there, updates only the pieces that differ. */
function draw(place: HTMLElement, next: DiagramPieces, before: DiagramPieces | undefined): void {
  const drawn = place.firstElementChild;
  const isSame =
    before?.width === next.width && before.height === next.height && before.pieces.length === next.pieces.length;
  if (drawn === null || before === undefined || !isSame) {
    place.innerHTML = svg({ ...next, className: "tree" }, next.pieces).markup;
    return;
  }
  drawn.setAttribute("aria-label", next.label);
  next.pieces.forEach(({ markup }, index) => {
    const old = drawn.children[index];
    if (old !== undefined) patch(old, before.pieces[index]?.markup ?? "", markup);
  });
}

export function Tree({ view, margins }: TreeProps) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const [chosen, choose] = useState<string>();
  const pieces = useMemo(() => diagramPieces(view, width), [view, width]);
  const drawn = useRef<DiagramPieces | undefined>(undefined);
  useLayoutEffect(() => {
    if (place.current === null) return;
    draw(place.current, pieces, drawn.current);
    drawn.current = pieces;
  }, [pieces]);
  const parts = useMemo(() => {
    let made: ReturnType<typeof partsOf> | undefined;
    return () => {
      made ??= partsOf(view, margins);
      return made;
    };
  }, [view, margins]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const all = parts();
    const at = all.findIndex(({ name }) => name === chosen);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    choose(all[Math.min(all.length - 1, Math.max(0, next))]?.name);
  };
  const onPointer = ({ target }: PointerEvent): void => {
    const part = target instanceof Element ? target.closest("[data-part]")?.getAttribute("data-part") : undefined;
    if (part !== undefined && part !== null) choose(part);
  };
  useEffect(() => {
    for (const part of place.current?.querySelectorAll("[data-part]") ?? []) {
      part.classList.toggle("chosen", part.getAttribute("data-part") === chosen);
    }
  }, [chosen, pieces]);
  return (
    <>
      <Details
        part={chosen === undefined ? undefined : parts().find(({ name }) => name === chosen)}
        margins={margins}
      />
      <div
        class="drawing"
        role="group"
        aria-label="The network; move through its layers and blocks with the arrow keys"
        tabIndex={0}
        onKeyDown={onKeyDown}
        onPointerOver={onPointer}
        onPointerDown={onPointer}
      >
        <div ref={place} />
      </div>
      <PartTable parts={parts} />
    </>
  );
}

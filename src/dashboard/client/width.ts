/** How wide a picture is to be drawn. */
import { useLayoutEffect, useState } from "preact/hooks";

/** Pictures are drawn for widths in steps, so that a scroll bar that comes and goes changes nothing. */
const STEP = 20;
const LEAST_WIDTH = 300;
const FALLBACK_WIDTH = 358;

export function useWidth(place: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(FALLBACK_WIDTH);
  // Before anything is painted: what is drawn anew has another height.
  useLayoutEffect(() => {
    const at = place.current;
    if (at === null) return;
    const measure = (): void => setWidth(Math.max(LEAST_WIDTH, Math.floor(at.clientWidth / STEP) * STEP));
    measure();
    const sizes = new ResizeObserver(measure);
    sizes.observe(at);
    return () => sizes.disconnect();
  }, [place]);
  return width;
}

/** The width at which to draw a picture. */
import { useLayoutEffect, useState } from "preact/hooks";

/** Widths are rounded down to multiples of this, so that a scroll bar that appears changes nothing. */
const STEP = 20;
const LEAST_WIDTH = 300;
const FALLBACK_WIDTH = 358;

export function useWidth(place: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(FALLBACK_WIDTH);
  // Measure before the first paint, because a picture of another width has another height.
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

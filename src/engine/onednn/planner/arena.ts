/**
 * Places all values in one block of memory by lifetime: two slots may share bytes if their lifetimes do not overlap.
 * Greedy by size: the largest slot first, each at the lowest free offset among the slots that live at the same time.
 */
import { required } from "../../../core/errors.ts";
import type { Inside, Slot, Step } from "./steps.ts";

export interface ArenaLayout {
  readonly bytes: number;
  readonly offsets: ReadonlyMap<Slot, number>;
}

interface Lifetime {
  readonly slot: Slot;
  readonly first: number;
  last: number;
}

/** Alignment to cache lines, so that vector loads and stores stay inside one line. */
const ALIGNMENT = 64;

function aligned(bytes: number): number {
  return Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
}

/**
 * Places the slots of `steps` and the persistent slots `extra`. Slots in `kept` live until the end of a run. Slots in
 * `inside` are parts of another slot, which lives as long as any of its parts.
 */
export function layOut(
  planned: readonly Step[],
  extra: Iterable<Slot>,
  outputs: ReadonlySet<Slot>,
  inside: ReadonlyMap<Slot, Inside> = new Map(),
): ArenaLayout {
  const whole = (slot: Slot): Slot => inside.get(slot)?.whole ?? slot;
  const kept = new Set([...outputs].map(whole));
  const steps = inside.size === 0 ? planned : planned.map((step) => withWholes(step, whole));
  const lifetimes = lifetimesOf(steps, extra, kept);
  const places = placesOf(steps, lifetimes, kept);
  for (const [slot, place] of places) {
    const lifetime = required(lifetimes.get(place), "lifetime of a slot");
    lifetime.last = Math.max(lifetime.last, required(lifetimes.get(slot), "lifetime of a slot").last);
    lifetimes.delete(slot);
  }

  const offsets = new Map<Slot, number>();
  const placed: { readonly lifetime: Lifetime; readonly start: number; readonly end: number }[] = [];
  let total = 0;
  for (const lifetime of [...lifetimes.values()].sort((a, b) => b.slot.bytes - a.slot.bytes)) {
    const bytes = aligned(lifetime.slot.bytes);
    let start = 0;
    for (const other of placed) {
      const meets = other.lifetime.first <= lifetime.last && lifetime.first <= other.lifetime.last;
      if (!meets) continue;
      if (other.start - start >= bytes) break;
      start = Math.max(start, other.end);
    }
    offsets.set(lifetime.slot, start);
    const entry = { lifetime, start, end: start + bytes };
    const position = placed.findIndex((other) => other.start > start);
    placed.splice(position < 0 ? placed.length : position, 0, entry);
    total = Math.max(total, entry.end);
  }
  for (const [slot, place] of places) offsets.set(slot, required(offsets.get(place), "place of a slot"));
  for (const [slot, { whole: around, offset }] of inside) {
    offsets.set(slot, required(offsets.get(around), "place of a slot around another") + offset);
  }
  return { bytes: total, offsets };
}

/** The slots that a step reads and writes. A slot that is part of another one is replaced by that one. */
type Accesses = Pick<Step, "reads" | "writes" | "inPlace">;

function withWholes({ reads, writes, inPlace }: Step, whole: (slot: Slot) => Slot): Accesses {
  const moves = inPlace?.every((slot) => whole(slot) === slot) === true;
  return { reads: reads.map(whole), writes: writes.map(whole), ...(moves ? { inPlace } : {}) };
}

function lifetimesOf(steps: readonly Accesses[], extra: Iterable<Slot>, kept: ReadonlySet<Slot>): Map<Slot, Lifetime> {
  const lifetimes = new Map<Slot, Lifetime>();
  for (const slot of extra) lifetimes.set(slot, { slot, first: 0, last: steps.length });
  steps.forEach(({ reads, writes }, index) => {
    for (const slot of [...reads, ...writes]) {
      const always = slot.persistent || kept.has(slot);
      const known = lifetimes.get(slot);
      if (known === undefined) {
        lifetimes.set(slot, { slot, first: slot.persistent ? 0 : index, last: always ? steps.length : index });
      } else {
        known.last = Math.max(known.last, index);
      }
    }
  });
  return lifetimes;
}

/** Slots that reuse the memory of a slot whose last reader writes them. This saves memory and cache misses. */
function placesOf(
  steps: readonly Accesses[],
  lifetimes: ReadonlyMap<Slot, Lifetime>,
  kept: ReadonlySet<Slot>,
): ReadonlyMap<Slot, Slot> {
  const places = new Map<Slot, Slot>();
  steps.forEach(({ inPlace }, index) => {
    if (inPlace === undefined) return;
    const [from, to] = inPlace;
    const isFree =
      !from.persistent &&
      !to.persistent &&
      !kept.has(from) &&
      !kept.has(to) &&
      aligned(from.bytes) === aligned(to.bytes);
    if (from === to || !isFree || lifetimes.get(from)?.last !== index || lifetimes.get(to)?.first !== index) return;
    places.set(to, places.get(from) ?? from);
  });
  return places;
}

export function offsetOf(layout: ArenaLayout, slot: Slot): number {
  return required(layout.offsets.get(slot), "place of a slot");
}

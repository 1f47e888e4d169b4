/**
 * The steps at which structures reached zero or became alive again, in bounded memory. If there are too many changes,
 * only the last state in each interval of steps is kept, and the intervals grow as needed.
 */

/** `entries`: for each change, in order, its step, the structure's number, and 1 for alive or 0 for zero. */
export interface Changes {
  /** Length of the intervals in steps. Only the last state of a structure in an interval is kept. */
  quantum: number;
  readonly entries: number[];
}

const WIDTH = 3;

export function emptyChanges(): Changes {
  return { quantum: 1, entries: [] };
}

/** Adds a change. `most`: largest number of changes to keep. */
export function addChange(changes: Changes, step: number, structure: number, isAlive: boolean, most: number): void {
  changes.entries.push(step, structure, isAlive ? 1 : 0);
  while (changes.entries.length > WIDTH * most) {
    const before = changes.entries.length;
    changes.quantum *= 2;
    coarsen(changes);
    if (changes.quantum > 2 ** 30 && changes.entries.length === before) return;
  }
}

/** Removes all changes after `step`. */
export function cutChanges({ entries }: Changes, step: number): void {
  let length = entries.length;
  while (length > 0 && (entries[length - WIDTH] ?? 0) > step) length -= WIDTH;
  entries.length = length;
}

function coarsen({ entries, quantum }: Changes): void {
  const all = entries.splice(0);
  const states = new Map<number, number>();
  for (let start = 0; start < all.length; ) {
    const stretch = Math.floor((all[start] ?? 0) / quantum);
    const ends = new Map<number, readonly [step: number, state: number]>();
    let at = start;
    for (; at < all.length && Math.floor((all[at] ?? 0) / quantum) === stretch; at += WIDTH) {
      ends.set(all[at + 1] ?? 0, [all[at] ?? 0, all[at + 2] ?? 0]);
    }
    const kept = [...ends].filter(([structure, [, state]]) => (states.get(structure) ?? 1) !== state);
    for (const [structure, [step, state]] of kept.sort((a, b) => a[1][0] - b[1][0])) {
      entries.push(step, structure, state);
      states.set(structure, state);
    }
    start = at;
  }
}

/** For each of `count` structures: 1 if it is alive after `step` steps, else 0. */
export function aliveAt({ entries }: Changes, count: number, step: number): Uint8Array {
  const alive = new Uint8Array(count).fill(1);
  for (let at = 0; at < entries.length && (entries[at] ?? 0) <= step; at += WIDTH) {
    alive[entries[at + 1] ?? 0] = entries[at + 2] ?? 0;
  }
  return alive;
}

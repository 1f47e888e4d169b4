/**
 * Several labels for an image, or none. A dataset lists the distinct sets of classes that its images have, and the
 * label of an image is the number of its set: so an image has one whole number in either case.
 */

/** Sets of classes, each in ascending order. */
export type LabelSets = readonly (readonly number[])[];

export interface NumberedSets {
  readonly sets: LabelSets;
  /** The number of each image's set. */
  readonly labels: readonly number[];
}

/** The sets of `images`, each the names of its labels. Names that are not among `classes` are left out. */
export function numberedSets(images: readonly (readonly string[])[], classes: readonly string[]): NumberedSets {
  const numberOf = new Map(classes.map((name, index) => [name, index]));
  const sets: (readonly number[])[] = [];
  const known = new Map<string, number>();
  const labels = images.map((names) => {
    const set = [...new Set(names.flatMap((name) => numberOf.get(name) ?? []))].sort((a, b) => a - b);
    const key = set.join();
    const found = known.get(key) ?? sets.length;
    if (found === sets.length) {
      known.set(key, found);
      sets.push(set);
    }
    return found;
  });
  return { sets, labels };
}

/** Number of images that have each of `classes` classes, by the numbers of their sets. */
export function imagesByLabel(labels: Int32Array, sets: LabelSets, classes: number): readonly number[] {
  const counts = Array<number>(classes).fill(0);
  for (const label of labels) for (const one of sets[label] ?? []) counts[one] = (counts[one] ?? 0) + 1;
  return counts;
}

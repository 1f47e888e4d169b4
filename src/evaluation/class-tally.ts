/** Right answers by class: recall, and the balanced accuracy that rare classes count in as much as frequent ones. */

/** Numbers of one class. */
export interface ClassTally {
  /** Images of the class. */
  readonly images: number;
  /** Those that were classified correctly. */
  readonly correct: number;
  /** Images of any class that were classified as this one. */
  readonly answers: number;
}

/** Mean recall of the classes that have images, in percent. */
export function balancedAccuracy(classes: readonly Pick<ClassTally, "images" | "correct">[]): number {
  const recalls = classes.flatMap(({ images, correct }) => (images === 0 ? [] : [(100 * correct) / images]));
  return recalls.reduce((sum, recall) => sum + recall, 0) / Math.max(1, recalls.length);
}

/** From this ratio of its largest to its smallest class on, data is called unbalanced. */
const UNBALANCED = 3;

/** Whether the numbers of images of the classes, of which some may be zero, differ much. */
export function isUnbalanced(counts: readonly number[]): boolean {
  const present = counts.filter((count) => count > 0);
  return Math.max(...present) >= UNBALANCED * Math.min(...present);
}

/** Number of images of each of `classes` classes. */
export function countsOf(labels: Int32Array, classes: number): readonly number[] {
  const counts = Array<number>(classes).fill(0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

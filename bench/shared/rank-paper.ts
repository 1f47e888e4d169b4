/** Predicts the speed of ResNet-50 on a cluster by the model of `rank-model.ts`. Only one machine was measured. */
import { predictStep, ringCost } from "./rank-model.ts";

/** Bytes of the gradients of ResNet-50, including its batch norms. */
const GRADIENT_BYTES = 102_228_352;
/** A server of 32 cores, at the images/s per core that this bench measured for ResNet-50 in f32 (8.4 on two cores). */
const IMAGES_PER_SECOND = 32 * 4.2;
const IMAGES_PER_MACHINE = 32;
/** Latency of a message between two machines, and the share of the wire's speed that MPI over TCP reaches. */
const LATENCY_SECONDS = 30e-6;
const WIRE_SHARE = 0.85;

export interface PaperRow {
  readonly machines: number;
  readonly gigabits: number;
  readonly step: number;
  readonly exposed: number;
  readonly imagesPerSecond: number;
  readonly efficiency: number;
}

export function paperScaling(): PaperRow[] {
  const alone = (1000 * IMAGES_PER_MACHINE) / IMAGES_PER_SECOND;
  return [10, 100].flatMap((gigabits) =>
    [2, 4, 8, 16, 32, 64].map((machines) => {
      const sums = ringCost(machines, (WIRE_SHARE * gigabits * 1e9) / 8, LATENCY_SECONDS);
      const cost = { computeMilliseconds: alone, bytes: GRADIENT_BYTES, sums, onProcessor: false };
      const { milliseconds, exposedMilliseconds } = predictStep(cost);
      const imagesPerSecond = (1000 * machines * IMAGES_PER_MACHINE) / milliseconds;
      return {
        ...{ machines, gigabits, step: milliseconds, exposed: exposedMilliseconds, imagesPerSecond },
        efficiency: imagesPerSecond / (machines * IMAGES_PER_SECOND),
      };
    }),
  );
}

/** Measured latency as events have it. */
import type { Latency } from "../../evaluation/latency.ts";
import type { LatencyFigures } from "../events/events.ts";

export function figures({ median, lowerQuartile, upperQuartile, rounds }: Latency): LatencyFigures {
  return { median, lowerQuartile, upperQuartile, runs: rounds };
}

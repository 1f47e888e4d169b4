/** Tracks which structures are alive. It is updated whenever progress is reported. */
import { required } from "../../core/errors.ts";
import type { Weights } from "../../graph/graph.ts";
import type { Factor } from "../../selection/factors.ts";
import type { EventBody, FactorLevels, FactorSummary, LayerStructures } from "../events/events.ts";

type StructureChange = Extract<EventBody, { type: "structure.zeroed" | "structure.revived" }>;

export class StructureTracker {
  readonly #factors: readonly Factor[];
  #values: Weights;

  /** `weights` contains at least the parameters of `factors`. */
  constructor(factors: readonly Factor[], weights: Weights) {
    this.#factors = factors;
    this.#values = weights;
  }

  /** Takes the current values. Returns the structures that reached zero, or came back, since the last update. */
  update(weights: Weights): StructureChange[] {
    const changes = this.#factors.flatMap((factor) => {
      const before = valuesOf(factor, this.#values);
      const changed: StructureChange[] = [];
      valuesOf(factor, weights).forEach((value, index) => {
        const wasAlive = before[index] !== 0;
        if (wasAlive === (value !== 0)) return;
        const { layer, kind } = factor;
        changed.push({ type: wasAlive ? "structure.zeroed" : "structure.revived", layer, kind, index });
      });
      return changed;
    });
    this.#values = weights;
    return changes;
  }

  layers(): LayerStructures[] {
    return layerStructures(this.#factors, this.#values);
  }

  totals(): { readonly alive: number; readonly count: number } {
    return this.layers().reduce((sum, { alive, count }) => ({ alive: sum.alive + alive, count: sum.count + count }), {
      alive: 0,
      count: 0,
    });
  }

  /** Every factor as one byte; see `FactorLevels`. */
  levels(): FactorLevels {
    const all = this.#factors.map((factor) => valuesOf(factor, this.#values));
    const maximum = all.reduce((most, values) => values.reduce((a, b) => Math.max(a, b), most), 0);
    const level = (value: number): number => (value === 0 ? 0 : Math.max(1, Math.round((255 * value) / maximum)));
    const bytes = all.flatMap((values) => Array.from(values, level));
    return { maximum, values: Buffer.from(bytes).toString("base64") };
  }

  summaries(): FactorSummary[] {
    return this.#factors.map((factor) => {
      const values = valuesOf(factor, this.#values);
      const { layer, kind, count } = factor;
      return {
        layer,
        kind,
        minimum: values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY),
        mean: values.reduce((sum, value) => sum + value, 0) / count,
        maximum: values.reduce((most, value) => Math.max(most, value), 0),
      };
    });
  }
}

/** How many structures of each layer are not zero. */
export function layerStructures(factors: readonly Factor[], weights: Weights): LayerStructures[] {
  return factors.map((factor) => {
    const { layer, kind, count } = factor;
    return { layer, kind, alive: valuesOf(factor, weights).filter((value) => value !== 0).length, count };
  });
}

function valuesOf({ parameter }: Factor, weights: Weights): Float32Array {
  return required(weights.get(parameter), `values of "${parameter}"`).data;
}

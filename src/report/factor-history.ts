/**
 * Values of all scaling factors over the epochs, one byte each, for the heat map, and the margins of each layer. The
 * memory is bounded: with very many epochs or structures every second epoch is dropped, as often as needed.
 */
import type { RunEvent } from "../training/events/events.ts";
import type { Levels } from "./heat.ts";
import { packMargins } from "./margins.ts";

/** Largest number of bytes for the values. */
const MOST_BYTES = 1 << 21;

interface EpochLevels {
  readonly epoch: number;
  readonly step: number;
  readonly maximum: number;
  /** One for each structure. */
  readonly values: Uint8Array;
  readonly margins: Float32Array;
}

export class LevelTable {
  #rows: Levels["rows"] = [];
  #structures = 0;
  #every = 1;
  #epochs: EpochLevels[] = [];

  add(event: RunEvent): void {
    if (event.type === "run.started") {
      const { resumedFrom, factors } = event;
      if (resumedFrom !== null) this.#epochs = this.#epochs.filter(({ step }) => step <= resumedFrom);
      this.#rows = factors.map(({ layer, kind, count }) => ({ layer, kind, count }));
      this.#structures = factors.reduce((sum, { count }) => sum + count, 0);
      return;
    }
    if (event.type !== "epoch" || event.epoch % this.#every !== 0) return;
    const { levels } = event;
    if (levels === undefined || this.#structures === 0) return;
    const values = Buffer.from(levels.values, "base64");
    if (values.length !== this.#structures) return;
    const { epoch, step, margins = [] } = event;
    const packed = packMargins(margins, this.#rows.length);
    this.#epochs.push({ epoch, step, maximum: levels.maximum, values: Uint8Array.from(values), margins: packed });
    while (this.#epochs.length > 2 && this.#epochs.length * this.#structures > MOST_BYTES) {
      this.#every *= 2;
      this.#epochs = this.#epochs.filter((one) => one.epoch % this.#every === 0);
    }
  }

  /** The values of all epochs on one scale. */
  table(): Levels {
    const maximum = this.#epochs.reduce((most, one) => Math.max(most, one.maximum), 0);
    const values = new Uint8Array(this.#epochs.length * this.#structures);
    this.#epochs.forEach((one, row) => {
      const scale = maximum === 0 ? 0 : one.maximum / maximum;
      one.values.forEach((value, index) => {
        values[row * this.#structures + index] = value === 0 ? 0 : Math.max(1, Math.round(value * scale));
      });
    });
    return {
      epochs: this.#epochs.map(({ epoch }) => epoch),
      rows: this.#rows,
      maximum,
      structures: this.#structures,
      values: Buffer.from(values).toString("base64"),
      margins: Buffer.concat(this.#epochs.map(({ margins }) => new Uint8Array(margins.buffer))).toString("base64"),
    };
  }
}

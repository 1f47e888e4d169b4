/**
 * Predicts how long a runtime takes for a network, from a table of its layers' times. Between the widths of the table,
 * times are interpolated. Each width counts as the next multiple of the channels that the runtime computes at once, but
 * a narrow input counts as it is: the runtime reads its channels one by one. Widths that its fast kernels do not
 * compute have times of their own.
 */
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import { type Cost, cost } from "../graph/cost.ts";
import type { Graph } from "../graph/graph.ts";
import { isAligned } from "./alignment.ts";
import type { LatencyTable, LayerTimes, TimeGrid } from "./table.ts";
import { type TimedLayer, timedLayers, withoutActivations } from "./timed-layers.ts";

/** Times are multiples of this many milliseconds, so that sums of them are exact in any order. */
const UNIT = 2 ** -20;

/** The times of a table, by layer and widths. */
export class LatencyPredictor {
  readonly table: LatencyTable;
  readonly #layers: ReadonlyMap<string, LayerTimes>;
  /** Key without activations → a layer with any. Pruning can take an activation from a layer, or leave it one more. */
  readonly #similar: ReadonlyMap<string, LayerTimes>;
  /** A cache, because budgets ask for the same widths thousands of times. */
  readonly #known = new Map<string, Map<number, number>>();

  constructor(table: LatencyTable) {
    this.table = table;
    this.#layers = new Map(table.layers.map((times) => [times.layer, times] as const));
    this.#similar = new Map(table.layers.map((times) => [withoutActivations(times.layer), times] as const));
  }

  has(key: string): boolean {
    return this.#layers.has(key) || this.#similar.has(withoutActivations(key));
  }

  /** Milliseconds of a layer; 0 if it has no channels, or if the table does not have it. */
  layer(key: string, outputs: number, inputs: number): number {
    const times = this.#layers.get(key) ?? this.#similar.get(withoutActivations(key));
    if (times === undefined || outputs === 0 || inputs === 0) return 0;
    const known = this.#known.get(key) ?? new Map<number, number>();
    this.#known.set(key, known);
    const pair = outputs * 65_536 + inputs;
    const before = known.get(pair);
    if (before !== undefined) return before;
    const time = this.#timeOf(times, outputs, inputs);
    const rounded = Math.round(time / UNIT) * UNIT;
    known.set(pair, rounded);
    return rounded;
  }

  #timeOf(times: LayerTimes, outputs: number, inputs: number): number {
    const { channelBlock, narrow } = this.table;
    if (times.unaligned !== undefined && !isAligned(times.layer, outputs, inputs, this.table)) {
      return interpolate(times.unaligned, outputs, inputs);
    }
    const ofOutputs = blocked(outputs, channelBlock, times.outputs);
    const ofInputs = inputs <= narrow ? inputs : blocked(inputs, channelBlock, times.inputs);
    return interpolate(times, ofOutputs, ofInputs);
  }

  /** Milliseconds of a run beyond its layers. */
  get overhead(): number {
    return Math.round(this.table.overhead / UNIT) * UNIT;
  }

  /** Milliseconds of a run of `graph`. Layers that the table does not have count as 0. */
  run(graph: Graph): number {
    return timedLayers(graph).reduce(
      (sum, { key, outputs, inputs }) => sum + this.layer(key, outputs, inputs),
      this.overhead,
    );
  }

  /**
   * @throws UserError "bad-option" if the table lacks layers of `graph`, with their names; `name` is the table's name
   * in the message.
   */
  requireLayers(graph: Graph, name: string): void {
    const missing = timedLayers(graph).filter(({ key }) => !this.has(key));
    if (missing.length === 0) return;
    throw new UserError("bad-option", "the latency table has no times of some layers of this network", {
      about: name,
      list: [...new Set(missing.map(({ key, node }: TimedLayer) => `${key} ("${node}")`))],
      hint: `Measure ${graph.name} itself: espalier measure <model> --out table.json`,
    });
  }
}

const predictors = new WeakMap<LatencyTable, LatencyPredictor>();

/** The predictor of `table`; the same one each time. */
export function predictorOf(table: LatencyTable): LatencyPredictor {
  const known = predictors.get(table) ?? new LatencyPredictor(table);
  predictors.set(table, known);
  return known;
}

/**
 * Predicted milliseconds of a run of `graph`. Layers that the table does not have count as 0.
 */
export function predictLatency(graph: Graph, table: LatencyTable): number {
  requireArguments("predictLatency", { graph: [graph, "graph"], table: [table, "latency table"] });
  return predictorOf(table).run(graph);
}

/** The MACs and parameters of `graph`, and with `table` its predicted latency. */
export function networkCost(graph: Graph, table?: LatencyTable): Cost {
  return table === undefined ? cost(graph) : { ...cost(graph), latency: predictorOf(table).run(graph) };
}

/** `width` as the runtime computes it: at most the widest of the table, if that is enough for `width`. */
function blocked(width: number, block: number, known: readonly number[]): number {
  return Math.min(Math.ceil(width / block) * block, Math.max(width, known.at(-1) ?? width));
}

/** Bilinear between the widths of the table; the nearest times below its smallest, in proportion above its largest. */
function interpolate({ outputs, inputs, milliseconds }: TimeGrid, output: number, input: number): number {
  const [row, rowShare, rowTimes] = placeOf(outputs, output);
  const [column, columnShare, columnTimes] = placeOf(inputs, input);
  const at = (i: number, j: number): number => milliseconds[i]?.[j] ?? 0;
  const along = (i: number): number =>
    columnShare === 0 ? at(i, column) : at(i, column) * (1 - columnShare) + at(i, column + 1) * columnShare;
  const between = rowShare === 0 ? along(row) : along(row) * (1 - rowShare) + along(row + 1) * rowShare;
  return between * rowTimes * columnTimes;
}

/**
 * The place of `width` in `grid`: the index below it, how far it is towards the next, and by how much it exceeds all.
 */
function placeOf(grid: readonly number[], width: number): readonly [index: number, share: number, times: number] {
  const above = grid.findIndex((value) => value >= width);
  const last = grid.length - 1;
  if (above < 0) return [last, 0, width / (grid[last] ?? width)];
  const [low = 0, high = 0] = [grid[above - 1], grid[above]];
  if (above === 0 || high === width) return [above, 0, 1];
  return [above - 1, (width - low) / (high - low), 1];
}

/**
 * Simulates the factors of a network in training, without the network. Each factor has a gradient of its own, with
 * noise like that of batches, and the method itself steps it. So the controller of a budget can be tested in seconds on
 * the real structures and costs of large networks.
 */
import { optional } from "../../src/core/optional.ts";
import { RandomStream } from "../../src/core/random.ts";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import type { Graph } from "../../src/graph/graph.ts";
import type { LatencyTable } from "../../src/latency/table.ts";
import { accelerateProximalGradient } from "../../src/selection/apg.ts";
import {
  BudgetController,
  type ControllerState,
  usualWindow,
  type Window,
} from "../../src/selection/budget-controller.ts";
import { type CostKind, costModel } from "../../src/selection/cost-model.ts";
import type { Selection } from "../../src/selection/factors.ts";
import { place } from "../../src/selection/place.ts";
import { learningRateAt, type Schedule } from "../../src/training/learning-rate/schedules.ts";

export interface PlantOptions {
  readonly select: Selection;
  readonly share: number;
  readonly of?: CostKind;
  readonly steps?: number;
  /** Number of updates; default as in a run. */
  readonly updates?: number;
  readonly schedule?: Schedule;
  /** Default: the usual one. */
  readonly window?: Window;
  readonly seed?: number;
  /** Gradients at zero lie between strength and strength·10^decades, evenly in their logarithm. */
  readonly strength?: number;
  readonly decades?: number;
  /** Standard deviation of the noise over the gradient at zero. */
  readonly noise?: number;
  /** Widths are kept at multiples of it. */
  readonly round?: number;
  /** For latency: the times of the network's layers. */
  readonly latencyTable?: LatencyTable;
  /** Called after each update. */
  readonly onUpdate?: (update: PlantUpdate) => void;
}

export interface PlantUpdate {
  /** Ση so far, over that of the whole run. */
  readonly progress: number;
  /** Share of the full cost that is left. */
  readonly left: number;
  /** By factor parameter. */
  readonly factors: ReadonlyMap<string, Tensor>;
  readonly state: ControllerState;
}

export interface Course {
  /** Shares of the full cost after each update. */
  readonly left: readonly number[];
  readonly final: ControllerState;
}

export const oneCycle: Schedule = { kind: "one-cycle", peak: 0.2, peakAt: 0.2, startDivisor: 25, endDivisor: 1e4 };
const MOMENTUM = 0.9;

export function steerPlant(plain: Graph, options: PlantOptions): Course {
  const { select, share, of = "macs", steps = 1000, schedule = oneCycle, seed = 1 } = options;
  const { strength = 1e-4, decades = 2, noise = 1, updates = 250, round = 1, window = usualWindow } = options;
  const { graph, factors } = place(plain, select);
  const model = costModel(graph, factors, of, { round, ...optional({ latencyTable: options.latencyTable }) });
  const rates = Array.from({ length: steps }, (_, step) => learningRateAt(schedule, step, steps));
  const totalRate = rates.reduce((sum, rate) => sum + rate, 0);
  const controller = new BudgetController({ factors, model, share, momentum: MOMENTUM, totalRate, window });
  const random = new RandomStream(seed, "plant", 0);
  const held = factors.map(({ count, gamma }) =>
    Float32Array.from({ length: count }, () => gamma * strength * 10 ** (decades * random.uniform())),
  );
  const values = factors.map(({ count }) => new Float32Array(count).fill(1));
  const velocities = factors.map(({ count }) => new Float32Array(count));
  const named = (data: readonly Float32Array[]): ReadonlyMap<string, Tensor> =>
    new Map(factors.map(({ parameter, count }, at) => [parameter, tensor([count], Float32Array.from(data[at] ?? []))]));
  const interval = Math.min(10, Math.max(1, Math.floor(steps / updates)));
  let state = controller.initial();
  let gammas = controller.gammas(state);
  let done = 0;
  const left: number[] = [];
  for (let step = 0; step < steps; step++) {
    const learningRate = rates[step] ?? 0;
    for (const [at, { parameter, keepLast, keepRun }] of factors.entries()) {
      const own = held[at] ?? new Float32Array();
      const gradient = own.map((most, index) => most * ((values[at]?.[index] ?? 0) - 1 + noise * random.normal()));
      accelerateProximalGradient({ factors: values[at] ?? own, velocity: velocities[at] ?? own }, gradient, {
        learningRate,
        momentum: MOMENTUM,
        gamma: gammas.get(parameter)?.data ?? own,
        keepLast,
        ...optional({ keepRun }),
      });
    }
    done += learningRate;
    if ((step + 1) % interval !== 0 || step + 1 >= steps) continue;
    state = controller.next(state, {
      factors: named(values),
      velocities: named(velocities),
      progress: done / totalRate,
      learningRate: rates[step + 1] ?? 0,
      interval,
    });
    gammas = controller.gammas(state);
    left.push(controller.left(state, named(values)));
    options.onUpdate?.({ progress: done / totalRate, left: left.at(-1) ?? 1, factors: named(values), state });
  }
  left.push(controller.left(state, named(values)));
  return { left, final: state };
}

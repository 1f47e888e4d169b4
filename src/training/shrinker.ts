/**
 * Decides a few times in an epoch what is cut while training goes on, and tells how fast it was before and after. The decision
 * depends on the state and the settings alone, never on a clock: a run that is repeated or resumed cuts the same at the same step.
 */
import { required } from "../core/errors.ts";
import { cost } from "../graph/cost.ts";
import type { Weights } from "../graph/graph.ts";
import { applyStep } from "../pruning/apply.ts";
import { type Shrinking, structuresLeft } from "../pruning/shrink.ts";
import type { EventBody, ShrunkStructure } from "./events.ts";
import type { Session } from "./session.ts";
import type { ShrinkSettings } from "./settings/pruning.ts";
import type { TrainingState } from "./whole-state.ts";

/** Steps whose times are known for the speed before a cut, and waited for after it. */
const MEASURED_STEPS = 20;
const DECISIONS_PER_EPOCH = 4;

type Emit = (body: EventBody) => void;

export class Shrinker {
  readonly #session: Session;
  readonly #emit: Emit;
  #recent: number[] = [];
  /** Images per second before the last cut, until those after it are known. */
  #before: number | undefined;

  constructor(session: Session, emit: Emit) {
    this.#session = session;
    this.#emit = emit;
  }

  /** One step took `milliseconds`. */
  add(milliseconds: number): void {
    this.#recent.push(milliseconds);
    if (this.#recent.length <= MEASURED_STEPS) return;
    this.#recent.shift();
    this.tellSpeed();
  }

  /** Whether a decision is due after `step` steps: at the end of an epoch, and at each quarter before it. */
  isDue(step: number): boolean {
    const { stepsPerEpoch } = this.#session;
    return (step % stepsPerEpoch) % Math.ceil(stepsPerEpoch / DECISIONS_PER_EPOCH) === 0;
  }

  /** Cuts what has been held at zero for long enough, if that is worth it after `step` steps. True if the network shrank. */
  async consider(step: number): Promise<boolean> {
    const { settings, totalSteps, stepsPerEpoch, trainee, background, cluster } = this.#session;
    const { shrink } = settings;
    const remaining = totalSteps - step;
    if (shrink === false || remaining === 0) return false;
    const held = this.#heldStructures(await trainee.readHeld(), shrink);
    if (held === undefined) return false;
    const state = await trainee.read();
    const network = { graph: trainee.graph, weights: state.weights };
    const own = await background.call("findShrinking", { network, held, round: settings.round });
    // Decided once: the ranks hold the same state, and cut what rank 0 cuts.
    const steps = await cluster.onFirst(async () => own.steps);
    const found = steps === own.steps ? own : { steps, network: steps.reduce(applyStep, network) };
    if (found.steps.length === 0) return false;
    const [before, after] = [cost(trainee.graph), cost(found.network.graph)];
    const cuts = this.#cutStructures(state, held, found);
    const worth = {
      stepsSaved: remaining * (1 - after.macs / before.macs),
      stepsNeeded: shrink.rebuildSteps,
    };
    if (worth.stepsSaved < worth.stepsNeeded) {
      const isEpochEnd = step % stepsPerEpoch === 0;
      if (isEpochEnd) this.#emit({ type: "shrink.deferred", structures: cuts.length, before, after, ...worth });
      return false;
    }
    this.tellSpeed();
    const told = new Set(trainee.notices);
    const start = performance.now();
    await trainee.shrink(found);
    const rebuildMilliseconds = performance.now() - start;
    const imagesPerSecond = this.#speed();
    this.#emit({ type: "network.shrunk", cuts, before, after, ...worth, rebuildMilliseconds, imagesPerSecond });
    for (const message of trainee.notices) if (!told.has(message)) this.#emit({ type: "notice", message });
    this.#before = imagesPerSecond;
    this.#recent = [];
    return true;
  }

  #speed(): number {
    const sorted = this.#recent.toSorted((a, b) => a - b);
    const median = sorted[sorted.length >> 1] ?? 0;
    return median > 0 ? (1000 * this.#session.settings.batch) / median : 0;
  }

  /** Tells what the last cut made of the speed, unless that is told or no step was made since; also when no more steps come. */
  tellSpeed(): void {
    if (this.#before === undefined || this.#recent.length === 0) return;
    const imagesPerSecond = { before: this.#before, after: this.#speed() };
    this.#emit({ type: "shrink.measured", imagesPerSecond, steps: this.#recent.length });
    this.#before = undefined;
  }

  /** By factor: the structures held at zero for the patience; undefined if there are none. */
  #heldStructures(stepsHeld: Weights, { patience }: ShrinkSettings): Map<string, Uint8Array> | undefined {
    const { trainee, stepsPerEpoch } = this.#session;
    const steps = Math.ceil(patience * stepsPerEpoch);
    const held = new Map(
      trainee.factors.map(({ parameter }) => {
        const { data } = required(stepsHeld.get(parameter), parameter);
        return [parameter, Uint8Array.from(data, (count) => (count >= steps ? 1 : 0))] as const;
      }),
    );
    return [...held.values()].some((marks) => marks.includes(1)) ? held : undefined;
  }

  /** What `found` takes, by the indices that the structures had when the run began. */
  #cutStructures(
    { velocities }: TrainingState,
    held: ReadonlyMap<string, Uint8Array>,
    { steps, network }: Shrinking,
  ): ShrunkStructure[] {
    const { trainee, factors } = this.#session;
    return trainee.factors.flatMap((factor) => {
      const { parameter, layer, kind, count } = factor;
      const whole = required(
        factors.find((one) => one.parameter === parameter),
        parameter,
      );
      const left = new Set(structuresLeft(factor, steps, network.weights));
      const margins = required(velocities.get(`${parameter}.margin`), `${parameter}.margin`).data;
      const numbers = trainee.numbersOf(whole);
      return Array.from({ length: count }, (_, index) => index)
        .filter((index) => !left.has(index))
        .map((index) => ({
          layer,
          kind,
          index: numbers[index] ?? index,
          margin: held.get(parameter)?.[index] === 1 ? (margins[index] ?? 0) : null,
        }));
    });
  }
}

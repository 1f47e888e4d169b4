/**
 * Pruning while training: decides a few times in an epoch what is cut out of the network under way. The decision
 * depends on the state and the settings alone, never on a clock: a run that is repeated or resumed cuts the same at the
 * same step.
 */
import { required } from "../../core/errors.ts";
import { cost } from "../../graph/cost.ts";
import type { Weights } from "../../graph/graph.ts";
import { applyStep } from "../../pruning/apply.ts";
import { type Shrinking, structuresLeft } from "../../pruning/shrink.ts";
import type { ShrunkStructure } from "../events.ts";
import type { TrainingState } from "../network/full-size-state.ts";
import type { Throughput } from "../progress/throughput.ts";
import type { Session } from "../session.ts";
import type { ShrinkSettings } from "../settings/pruning.ts";
import type { PruningSpeed } from "./pruning-speed.ts";
import type { RunHook, TrainingRun } from "./run-hook.ts";

const DECISIONS_PER_EPOCH = 4;

export class OnlinePruning implements RunHook {
  readonly name: string = "online-pruning";
  readonly #session: Session;
  readonly #speed: PruningSpeed;
  readonly #throughput: Throughput;

  constructor(session: Session, speed: PruningSpeed, throughput: Throughput) {
    this.#session = session;
    this.#speed = speed;
    this.#throughput = throughput;
  }

  async afterStep(run: TrainingRun): Promise<void> {
    if (run.isEpochEnd || !this.#isDue(run.step)) return;
    // What is cut keeps its statistics, and they have to be the same on all ranks.
    await this.#session.network.shareStatistics();
    await this.#prune(run);
  }

  async afterEpoch(run: TrainingRun): Promise<void> {
    await this.#prune(run);
  }

  /**
   * Widths are kept at multiples of it: of what the settings ask for, and of the channels that the engine computes at
   * once. Other widths would take as long or longer. The compact network at the end of the run has only the settings'
   * multiples.
   */
  get #round(): number {
    const { settings, host } = this.#session;
    let multiple = settings.round;
    while (multiple % host.vectorWidth !== 0) multiple += settings.round;
    return multiple;
  }

  /** Whether a decision is due after `step` steps: at the end of an epoch, and at each quarter before it. */
  #isDue(step: number): boolean {
    const { stepsPerEpoch } = this.#session;
    return (step % stepsPerEpoch) % Math.ceil(stepsPerEpoch / DECISIONS_PER_EPOCH) === 0;
  }

  /** Cuts what has been held at zero for long enough, if that is worth it. */
  async #prune(run: TrainingRun): Promise<void> {
    const { settings, network, background, cluster } = this.#session;
    const { shrink } = settings;
    const remaining = run.totalSteps - run.step;
    if (shrink === false || remaining === 0) return;
    const held = this.#heldStructures(await network.readHeld(), shrink);
    if (held === undefined) return;
    const state = await network.read();
    const whole = { graph: network.graph, weights: state.weights };
    const own = await background.call("findShrinking", { network: whole, held, round: this.#round });
    // Decided once: the ranks hold the same state, and cut what rank 0 cuts.
    const steps = await cluster.onFirst(async () => own.steps);
    const found = steps === own.steps ? own : { steps, network: steps.reduce(applyStep, whole) };
    if (found.steps.length === 0) return;
    const [before, after] = [cost(network.graph), cost(found.network.graph)];
    const cuts = this.#cutStructures(state, held, found);
    const worth = {
      stepsSaved: remaining * (1 - after.macs / before.macs),
      stepsNeeded: shrink.rebuildSteps,
    };
    if (worth.stepsSaved < worth.stepsNeeded) {
      if (run.isEpochEnd) run.emit({ type: "shrink.deferred", structures: cuts.length, before, after, ...worth });
      return;
    }
    this.#speed.tell(run);
    const told = new Set(network.notices);
    const start = performance.now();
    await network.shrink(found);
    const rebuildMilliseconds = performance.now() - start;
    const imagesPerSecond = this.#speed.restart();
    run.emit({ type: "network.shrunk", cuts, before, after, ...worth, rebuildMilliseconds, imagesPerSecond });
    for (const message of network.notices) if (!told.has(message)) run.emit({ type: "notice", message });
    this.#throughput.start();
    // It holds the decision: what comes after it is trained on what is left.
    run.requestCheckpoint();
  }

  /** By factor: the structures held at zero for the patience; undefined if there are none. */
  #heldStructures(stepsHeld: Weights, { patience }: ShrinkSettings): Map<string, Uint8Array> | undefined {
    const { network, stepsPerEpoch } = this.#session;
    const steps = Math.ceil(patience * stepsPerEpoch);
    const held = new Map(
      network.factors.map(({ parameter }) => {
        const { data } = required(stepsHeld.get(parameter), parameter);
        return [parameter, Uint8Array.from(data, (count) => (count >= steps ? 1 : 0))] as const;
      }),
    );
    return [...held.values()].some((marks) => marks.includes(1)) ? held : undefined;
  }

  /** What `found` takes, by the indices that the structures had when the run began. */
  #cutStructures(
    { optimizer }: TrainingState,
    held: ReadonlyMap<string, Uint8Array>,
    { steps, network: left }: Shrinking,
  ): ShrunkStructure[] {
    const { network, factors } = this.#session;
    return network.factors.flatMap((factor) => {
      const { parameter, layer, kind, count } = factor;
      const whole = required(
        factors.find((one) => one.parameter === parameter),
        parameter,
      );
      const staying = new Set(structuresLeft(factor, steps, left.weights));
      const margins = required(optimizer.margin.get(parameter), `margins of "${parameter}"`).data;
      const numbers = network.numbersOf(whole);
      return Array.from({ length: count }, (_, index) => index)
        .filter((index) => !staying.has(index))
        .map((index) => ({
          layer,
          kind,
          index: numbers[index] ?? index,
          margin: held.get(parameter)?.[index] === 1 ? (margins[index] ?? 0) : null,
        }));
    });
  }
}

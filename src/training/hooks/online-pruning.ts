/**
 * Pruning while training: decides a few times in an epoch which structures are cut from the network in training. The
 * decision depends on the state and the settings alone, never on a clock: a repeated or resumed run makes the same cuts
 * at the same steps.
 */
import { required } from "../../core/errors.ts";
import { cost } from "../../graph/cost.ts";
import type { Weights } from "../../graph/graph.ts";
import { applyStep } from "../../pruning/apply.ts";
import { type Shrinking, structuresLeft } from "../../pruning/shrink.ts";
import type { ShrunkStructure } from "../events/events.ts";
import type { TrainingState } from "../network/full-size-state.ts";
import type { Throughput } from "../progress/throughput.ts";
import type { Session } from "../session/session.ts";
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
    // Average batch-norm statistics over ranks before a cut, so that every rank cuts the same network.
    await this.#session.network.shareStatistics();
    await this.#prune(run);
  }

  async afterEpoch(run: TrainingRun): Promise<void> {
    await this.#prune(run);
  }

  /**
   * Cuts keep widths at multiples of this number: of the settings' `round`, and of the channels that the engine
   * computes at once, because other widths take as long or longer. The compact network at the end of the run uses the
   * settings' `round` alone.
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

  /** Cuts the structures that have been zero for the patience, if that pays in the rest of the run. */
  async #prune(run: TrainingRun): Promise<void> {
    const { settings, network } = this.#session;
    const { shrink } = settings;
    const remaining = run.totalSteps - run.step;
    // While integers are simulated, values keep the ranges that they are followed with.
    if (shrink === false || remaining === 0 || network.isSimulated) return;
    const held = this.#heldStructures(await network.readStepsAtZero(), shrink);
    if (held === undefined) return;
    const state = await network.read();
    const found = await this.#findCut(state.weights, held);
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
    this.#speed.report(run);
    const known = new Set(network.notices);
    const start = performance.now();
    await network.shrink(found);
    const rebuildMilliseconds = performance.now() - start;
    const imagesPerSecond = this.#speed.restart();
    run.emit({ type: "network.shrunk", cuts, before, after, ...worth, rebuildMilliseconds, imagesPerSecond });
    for (const message of network.notices) if (!known.has(message)) run.emit({ type: "notice", message });
    this.#throughput.start();
    // The steps after the cut train the smaller network, so a checkpoint has to contain the cut.
    run.requestCheckpoint();
  }

  /**
   * The cut that removes the `held` structures, as far as that is possible. Rank 0 decides; all have the same state.
   */
  async #findCut(weights: Weights, held: ReadonlyMap<string, Uint8Array>): Promise<Shrinking> {
    const { network, background, cluster } = this.#session;
    const whole = { graph: network.graph, weights };
    const own = await background.call("findShrinking", { network: whole, held, round: this.#round });
    const steps = await cluster.onFirst(async () => own.steps);
    return steps === own.steps ? own : { steps, network: steps.reduce(applyStep, whole) };
  }

  /** For each factor: marks of the structures that have been zero for the patience; undefined if there are none. */
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

  /** The structures that `found` cuts, by their indices at the start of the run. */
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
      const indices = network.remainingIndices(whole);
      return Array.from({ length: count }, (_, index) => index)
        .filter((index) => !staying.has(index))
        .map((index) => ({
          layer,
          kind,
          index: indices[index] ?? index,
          margin: held.get(parameter)?.[index] === 1 ? (margins[index] ?? 0) : null,
        }));
    });
  }
}

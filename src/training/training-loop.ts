/**
 * The method: a batch, a step with γ on the factors, and whoever wants to know of it. One call of the engine a step;
 * while it computes, the loader's thread prepares the batches after it. What lasts longer than a step happens between
 * steps, in hooks.
 */
import { performance } from "node:perf_hooks";
import { firstImages, type Split } from "../data/dataset.ts";
import type { Accuracy } from "../evaluation/accuracy.ts";
import type { Weights } from "../graph/graph.ts";
import type { GammaPolicy } from "./gamma/gamma-policy.ts";
import type { EpochResult, RunHook, StepResult } from "./hooks/run-hook.ts";
import { namedState } from "./network/full-size-state.ts";
import { layerStructures } from "./progress/alive-tracker.ts";
import { sharedAccuracy } from "./ranks/ranks.ts";
import { requireIdentical } from "./ranks/replica-check.ts";
import type { RunState } from "./run-state.ts";
import type { Session } from "./session.ts";

/**
 * Trains from the session's checkpoint to the last step, and leaves the last state in the network.
 * @throws UserError "diverged" if the loss is no number any more, "interrupted" once the signal is aborted; a
 * checkpoint to go on from is on disk in either case.
 */
export async function trainingLoop(
  session: Session,
  run: RunState,
  policy: GammaPolicy,
  others: readonly RunHook[],
): Promise<void> {
  const hooks = [policy, ...others];
  for (const hook of hooks) await hook.begin?.(run, session.checkpoint.hooks[hook.name]);
  while (!run.isOver) {
    if (run.mustStop) {
      for (const hook of hooks) await hook.interrupted?.(run);
      await run.interrupt();
    }
    const step = await trainStep(session, run, policy.gammas(run));
    await run.advance(step);
    for (const hook of hooks) await hook.afterStep?.(run, step);
    if (!run.isEpochEnd) continue;
    const epoch = await finishEpoch(session, run);
    for (const hook of hooks) await hook.afterEpoch?.(run, epoch);
  }
  for (const hook of hooks.toReversed()) await hook.end?.(run);
}

/**
 * The next batch, forward and backward, a step of the weights' optimizer and of the proximal method for the factors.
 */
async function trainStep({ loader, network }: Session, run: RunState, gammas: Weights): Promise<StepResult> {
  const learningRate = run.learningRateAt(run.step);
  const start = performance.now();
  const waitedBefore = loader.waitedMilliseconds;
  const batch = await loader.next();
  const waitedMilliseconds = loader.waitedMilliseconds - waitedBefore;
  const { loss, correct } = await network.step(batch, { learningRate, gammas, isAborted: run.isAborted });
  batch.release();
  return { loss, correct, learningRate, milliseconds: performance.now() - start, waitedMilliseconds };
}

/** Scores, and counts what is left. The last epoch's score is the run's: it is on all test images. */
async function finishEpoch(session: Session, run: RunState): Promise<EpochResult> {
  const { network, dataset, settings, cluster, costs, factors } = session;
  await network.shareStatistics();
  const state = await run.readState();
  await requireIdentical(cluster, new Map([...state.weights, ...namedState(state.optimizer)]));
  const isLast = run.step === run.totalSteps;
  const scored = await score(session, isLast ? dataset.test : firstImages(dataset.test, settings.evaluationImages));
  if (isLast) run.accuracy = scored;
  const cost = await costs.count(state.weights);
  const { steps, loss, correct, milliseconds } = run.closeEpoch();
  return {
    epoch: run.step / run.stepsPerEpoch,
    ...{ steps, milliseconds, cost, state },
    trainLoss: loss / steps,
    trainAccuracy: (100 * correct) / (steps * settings.batch),
    testAccuracy: scored.accuracy,
    testImages: scored.images,
    layers: layerStructures(factors, state.weights),
  };
}

/** Accuracy of the network as it is now. */
export async function score({ network, dataset, cluster }: Session, split: Split): Promise<Accuracy> {
  return sharedAccuracy(await network.classifier(), split, dataset, cluster);
}

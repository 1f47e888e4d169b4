/**
 * The training loop: take a batch, make a step with γ on the factors, call the hooks. A step is one call of the engine;
 * meanwhile the loader's thread prepares the next batches. Work that takes longer than a step (scoring, pruning,
 * checkpoints) happens between steps, in hooks.
 */
import { performance } from "node:perf_hooks";
import { optional } from "../core/optional.ts";
import { firstImages } from "../data/dataset.ts";
import type { Weights } from "../graph/graph.ts";
import type { GammaPolicy } from "./gamma/gamma-policy.ts";
import type { EpochResult, RunHook, StepResult } from "./hooks/run-hook.ts";
import { namedState } from "./network/full-size-state.ts";
import { layerStructures } from "./progress/alive-tracker.ts";
import { score } from "./progress/score.ts";
import { requireIdentical } from "./ranks/replica-check.ts";
import type { RunState } from "./session/run-state.ts";
import type { Session } from "./session/session.ts";

/**
 * Trains from the session's checkpoint to the last step. Afterwards `session.network` has the trained weights.
 * @throws UserError "diverged" if the loss is not finite, "interrupted" once the signal is aborted. In both cases a
 * checkpoint to resume from is on disk.
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
 * Trains on the next batch: forward and backward pass, an SGD step for the weights, a proximal step for the factors.
 */
async function trainStep({ loader, network }: Session, run: RunState, gammas: Weights): Promise<StepResult> {
  const { head: learningRate, body: bodyRate } = run.learningRatesAt(run.step);
  const start = performance.now();
  const waitedBefore = loader.waitedMilliseconds;
  const batch = await loader.next();
  const waitedMilliseconds = loader.waitedMilliseconds - waitedBefore;
  const { loss, correct } = await network.step(batch, {
    ...{ learningRate, bodyRate, gammas },
    isAborted: run.isAborted,
  });
  batch.release();
  return { loss, correct, learningRate, milliseconds: performance.now() - start, waitedMilliseconds };
}

/** Scores the network and counts its remaining cost. The last epoch is scored on all test images. */
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
    classes: scored.classes,
    ...optional({ outputs: scored.agreement?.outputs, labels: scored.labels }),
    layers: layerStructures(factors, state.weights),
  };
}

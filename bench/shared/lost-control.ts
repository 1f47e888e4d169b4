/** Trains the from-scratch baseline of a run whose folder is gone, in an architecture of the widths in its table. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { required, UserError } from "../../src/core/errors.ts";
import { tensor } from "../../src/core/tensor.ts";
import { stepsPerEpoch } from "../../src/data/shuffle.ts";
import { controlFolder } from "../../src/experiments/control.ts";
import { type RunSummary, summarizeRun } from "../../src/experiments/run-summary.ts";
import { baselineSettings } from "../../src/experiments/settings.ts";
import { cost } from "../../src/graph/cost.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import { model } from "../../src/models/zoo.ts";
import { compact } from "../../src/pruning/compact.ts";
import { place } from "../../src/selection/place.ts";
import type { RunEvent } from "../../src/training/events/events.ts";
import { resume } from "../../src/training/resume.ts";
import { runFiles } from "../../src/training/run-folder/run-folder.ts";
import type { SettingsInput } from "../../src/training/settings/settings.ts";
import { train } from "../../src/training/train.ts";

/**
 * Rebuilds the pruned architecture of `run` from the widths of its layers, by pruning any neurons of each layer.
 * @throws UserError "unsupported" if the run pruned more than neurons.
 */
export function architectureOf({ name, model: of, layers, after }: RunSummary): Graph {
  const { graph, factors } = place(model(of, { classes: required(layers.at(-1), "a last layer").before }), {
    neurons: 1,
  });
  const weights = new Map(initialize(graph, 0));
  for (const { parameter, layer, count } of factors) {
    const left = layers.find((one) => one.name === layer)?.after ?? count;
    weights.set(parameter, tensor([count], new Float32Array(count).fill(1, 0, left)));
  }
  const architecture = compact({ graph, weights }).network.graph;
  const { macs, parameters } = cost(architecture);
  if (macs !== after.macs || parameters !== after.parameters) {
    throw new UserError(
      "unsupported",
      "more than neurons was pruned, so the widths of its layers do not say what is left",
      {
        about: name,
        expected: `${after.macs} MACs and ${after.parameters} parameters`,
        received: `${macs} and ${parameters}`,
        hint: "Train the run again, and then its from-scratch baseline",
      },
    );
  }
  return architecture;
}

/**
 * Trains the from-scratch baseline of `run` in the folder `group`, for the same epochs and with its `settings`. A run
 * that is there already is resumed.
 */
export async function lostControl(run: RunSummary, settings: SettingsInput, group: string): Promise<RunSummary> {
  const folder = join(group, controlFolder(run.name));
  const hooks = {
    onEvent: (event: RunEvent): void => {
      if (event.type === "epoch")
        console.log(`epoch ${event.epoch}: ${event.testAccuracy} % of ${event.testImages} test images`);
    },
  };
  if (!existsSync(join(folder, runFiles.record))) {
    const architecture = architectureOf(run);
    const perEpoch = run.batch * stepsPerEpoch(run.trainImages, run.batch) * cost(architecture).macs;
    const trainingMacs = { run: run.trainingMacs, control: run.epochs * perEpoch };
    await train(architecture, {
      ...baselineSettings(settings),
      ...hooks,
      seed: run.seed,
      folder,
      data: run.dataset,
      controlOf: { run: run.name, folder: `../${run.name}`, same: "epochs", trainingMacs },
    });
  }
  const finished = await summarizeRun(folder);
  if (finished !== undefined) return finished;
  await resume(folder, hooks);
  return required(await summarizeRun(folder), `the finished control in ${folder}`);
}

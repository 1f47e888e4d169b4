/** Opens the network and the data of a new run, and fits them to each other. */
import { stepsPerEpoch } from "../../data/shuffle.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import type { Network } from "../../graph/graph.ts";
import { calibrationImages } from "../../quantization/calibration-images.ts";
import { simulateIntegers } from "../../quantization/simulate.ts";
import { requireUpdates } from "../network/weight-average.ts";
import { requireKnownLayers } from "../settings/integers.ts";
import type { Settings } from "../settings/settings.ts";
import { tableOptionsOf } from "../settings/tasks.ts";
import { withColumnsOfFile } from "./data/file-metadata.ts";
import { sourceForFile } from "./data/fine-tuning-data.ts";
import { fittingBatch } from "./data/fitting-batch.ts";
import { type DataSource, openData, type RunData } from "./data/run-data.ts";
import { requireKnownClasses } from "./distillation.ts";
import { dividedForBudget } from "./divided-groups.ts";
import { isHeadNew, requireHead } from "./head/head.ts";
import { requireUnmixed } from "./integer-inputs.ts";
import { muonNotice } from "./muon.ts";
import { readingNote } from "./reading-note.ts";
import { fileOf, inputOf, type ModelSource, nameOf, networkFor, openModel } from "./starting-network.ts";
import { whitened } from "./whitened.ts";

export interface ModelAndData extends RunData {
  /** With a batch that the data can fill. */
  readonly settings: Settings;
  /** The model's name. */
  readonly model: string;
  /** Without factors. Weights may be missing: a new network, or a new last layer. */
  readonly network: Network;
  /** Whether the network was trained to tell the classes of these data apart. */
  readonly knowsClasses: boolean;
  /** What was changed to make them fit, as sentences for the user. */
  readonly notices: readonly string[];
}

interface OpeningOptions {
  readonly cluster: Cluster;
  readonly settings: Settings;
  /** Whether the run starts from the weights of `model`. */
  readonly isFineTuned: boolean;
  /** Whether the caller brings a network to learn from. */
  readonly bringsTeacher: boolean;
}

/**
 * Opens `model` and `data`.
 * @throws UserError the errors of opening them, and "bad-option", "unknown-name" or "unsupported" if they do not fit
 * each other or the settings.
 */
export async function openModelAndData(
  model: ModelSource,
  data: DataSource,
  { cluster, settings: given, isFineTuned, bringsTeacher }: OpeningOptions,
): Promise<ModelAndData> {
  const found = await openModel(model, given);
  const file = fileOf(found);
  // A dataset that is open already has its values.
  const asked = typeof data === "string" ? withColumnsOfFile(given, file) : given;
  const images = file === undefined || !isFineTuned ? data : sourceForFile(file, data, tableOptionsOf(asked));
  const { dataset, source } = await openData(images, asked, inputOf(found));
  // Too few images for calibration are refused before anything is written.
  if (asked.int8 === true) calibrationImages(dataset, { heldOut: 0 });
  const { fitted: settings, notice: batchNotice } = fittingBatch(asked, dataset.train.count, cluster.size);
  requireUpdates(settings.averageWeights, settings.epochs * stepsPerEpoch(dataset.train.count, settings.batch));

  const isTaught = settings.teach !== undefined;
  const { network: fitting, notice: headNotice } = networkFor(found, dataset, { ...settings, isTaught });
  requireUnmixed(fitting.graph, settings);
  if (!bringsTeacher) requireKnownClasses(settings, fitting);
  if (settings.headEpochs !== undefined) requireHead(fitting.graph);
  const scoreNotice = readingNote(fitting.graph, dataset, settings);
  const { network, notice: groupsNotice } = dividedForBudget(await whitened(fitting, dataset), settings);
  if (settings.int8Keep !== undefined) requireKnownLayers(settings, simulateIntegers(network.graph).layers);
  const notices = [
    file?.notice,
    headNotice,
    scoreNotice,
    batchNotice,
    groupsNotice,
    muonNotice(settings, network.graph),
  ];
  // Several labels, or outputs that are taught, cannot be compared with one class.
  const hasOneLabel = !isTaught && dataset.labelSets === undefined;
  return {
    ...{ dataset, source, settings, network },
    model: nameOf(found, fitting.graph),
    knowsClasses: isFineTuned && !isHeadNew(fitting) && hasOneLabel,
    notices: notices.filter((notice) => notice !== undefined),
  };
}

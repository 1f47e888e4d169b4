/**
 * Espalier's public face: what a program imports from "espalier". Train a network once, get a smaller one that gives
 * the same answers.
 *
 * Start with `train`. Everything it does can also be done by hand: `place` factors, `fold` them, cut with `compact`,
 * write with `saveOnnx`.
 */

export type { ErrorCode, ErrorDetails } from "./core/errors.ts";
export { EspalierError, InternalError, UserError } from "./core/errors.ts";
export type { Labels, Shape, Tensor } from "./core/tensor.ts";
export { tensor } from "./core/tensor.ts";
export type {
  AreaCrop,
  Augmentation,
  Dataset,
  FileSplit,
  ImagePreparation,
  Normalization,
  PaddedCrop,
  Split,
  StoredSplit,
} from "./data/dataset.ts";
export { allocateSplit } from "./data/dataset.ts";
export type { ImageFileOptions } from "./data/images/open.ts";
export type { UnreadableImage } from "./data/images/unreadable.ts";
export { datasetNames, openDataset } from "./data/open.ts";
export type { DatasetReference } from "./data/references.ts";
export { cifar10, cifar100, datasetReference, fashionMnist, images, mnist } from "./data/references.ts";
export type { EngineName, EngineSpec } from "./engine/create.ts";
export { EngineHost } from "./engine/host.ts";
export type { Accuracy } from "./evaluation/accuracy.ts";
export { measureAccuracy } from "./evaluation/accuracy.ts";
export type { Certificate } from "./evaluation/certificate.ts";
export { certify, requireExact } from "./evaluation/certificate.ts";
export type { Classifier } from "./evaluation/classifier.ts";
export { engineClassifier } from "./evaluation/classifier.ts";
export type { Latency, LatencyOptions } from "./evaluation/latency.ts";
export { measureLatency } from "./evaluation/latency.ts";
export type { Comparison, RunGroup } from "./experiments/comparison.ts";
export { compareRuns } from "./experiments/comparison.ts";
export { writeComparison } from "./experiments/comparison-page.ts";
export type { ControlOptions } from "./experiments/control.ts";
export { control } from "./experiments/control.ts";
export type { RunSummary } from "./experiments/run-summary.ts";
export { summarizeRun } from "./experiments/run-summary.ts";
export type { SweepOptions, SweepResult } from "./experiments/sweep.ts";
export { sweep } from "./experiments/sweep.ts";
export type { SweepPlan, SweepPoint } from "./experiments/sweep-plan.ts";
export { parsePlan, readPlan } from "./experiments/sweep-plan.ts";
export type { SweepReport } from "./experiments/sweep-report.ts";
export { loadOnnx, saveOnnx } from "./formats/onnx/index.ts";
export { loadSafetensors, saveSafetensors } from "./formats/safetensors.ts";
export { stateDictOf, weightsFromStateDict } from "./formats/state-dict.ts";
export { GraphBuilder } from "./graph/builder.ts";
export type { Cost } from "./graph/cost.ts";
export { cost } from "./graph/cost.ts";
export type { Graph, Network, Node, Parameter, ParameterKind, Weights } from "./graph/graph.ts";
export { densenet40, densenet121 } from "./models/densenet.ts";
export { initialize } from "./models/initialize.ts";
export { mobilenetV2, smallMobilenetV2 } from "./models/mobilenet.ts";
export type { ImageOptions } from "./models/options.ts";
export { peleenet } from "./models/peleenet.ts";
export type { ResnetDepth, ResnetOptions, Shortcut } from "./models/resnet.ts";
export { resnet } from "./models/resnet.ts";
export type { ImagenetResnetDepth, ImagenetResnetOptions } from "./models/resnet-imagenet.ts";
export { imagenetResnet } from "./models/resnet-imagenet.ts";
export { preactResnet, resnet164 } from "./models/resnet-preact.ts";
export type {
  ImagenetResnextDepth,
  ImagenetResnextOptions,
  ResnextDepth,
  ResnextOptions,
} from "./models/resnext.ts";
export { imagenetResnext, resnext } from "./models/resnext.ts";
export { imagenetVgg16, vgg16 } from "./models/vgg.ts";
export type { ModelDefaults } from "./models/zoo.ts";
export { model, modelDefaults, modelNames } from "./models/zoo.ts";
export type { Compact, CompactOptions } from "./pruning/compact.ts";
export { compact } from "./pruning/compact.ts";
export type { CutList } from "./pruning/cut-list.ts";
export { printCuts } from "./pruning/print.ts";
export { writeReport } from "./report/report.ts";
export type { Budget } from "./selection/budget.ts";
export { parseBudget } from "./selection/budget.ts";
export type { Factor, FactorKind, Selection } from "./selection/factors.ts";
export { factorsOf, gammasOf } from "./selection/factors.ts";
export { bake, fold } from "./selection/fold.ts";
export type { Placement } from "./selection/place.ts";
export { place } from "./selection/place.ts";
export type { NetworkSummary, RunEvent, RunEventType } from "./training/events.ts";
export type { GammaPolicy } from "./training/gamma/gamma-policy.ts";
export type { EpochResult, RunHook, StepResult, TrainingRun } from "./training/hooks/run-hook.ts";
export type { NamedRecipe, Recipe } from "./training/recipes.ts";
export { recipe, recipeNames, recipes } from "./training/recipes.ts";
export type { ResumeOptions } from "./training/resume.ts";
export { resume } from "./training/resume.ts";
export type { Run, TrainedNetwork } from "./training/run.ts";
export { readEvents } from "./training/run-folder/event-log.ts";
export type { ScheduleOptions } from "./training/schedules.ts";
export type { SettingsInput } from "./training/settings/settings.ts";
export type { DataSource } from "./training/start/run-data.ts";
export type { ModelSource } from "./training/start/starting-network.ts";
export type { TrainOptions } from "./training/train.ts";
export { train } from "./training/train.ts";

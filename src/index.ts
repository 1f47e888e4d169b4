/**
 * The main entry point, `espalier`. It trains a network once and prunes it to a smaller network that gives the same
 * answers.
 *
 * Start with `train`. Its parts have entry points of their own: `espalier/models`, `espalier/datasets`,
 * `espalier/onnx`, `espalier/graph`, `espalier/pruning`, `espalier/quantization`, `espalier/engine` and
 * `espalier/experiments`. A program can
 * run each step of `train` with them; `examples/` shows how.
 */
export type { ErrorCode, ErrorDetails } from "./core/errors.ts";
export { EspalierError, InternalError, UserError } from "./core/errors.ts";
export type { Shape, Tensor } from "./core/tensor.ts";
export { tensor } from "./core/tensor.ts";
export type { Dataset } from "./data/dataset.ts";
export { openDataset } from "./data/open.ts";
export type { DatasetReference } from "./data/references.ts";
export { cifar10, cifar100, fashionMnist, images, mnist } from "./data/references.ts";
export type { Certificate } from "./evaluation/certificate.ts";
export { loadOnnx, saveOnnx } from "./formats/onnx/index.ts";
export type { Graph, Network, Weights } from "./graph/graph.ts";
export { resnet } from "./models/resnet.ts";
export { vgg16 } from "./models/vgg.ts";
export { model, modelNames } from "./models/zoo.ts";
export { writeReport } from "./report/report.ts";
export type { Budget } from "./selection/budget.ts";
export { parseBudget } from "./selection/budget.ts";
export type { Factor, Selection } from "./selection/factors.ts";
export { gammasOf } from "./selection/factors.ts";
export type { NetworkSummary, RunEvent, RunEventType } from "./training/events/events.ts";
export type { Run, TrainedNetwork } from "./training/finish/run.ts";
export type { GammaPolicy } from "./training/gamma/gamma-policy.ts";
export type { EpochResult, RunHook, StepResult, TrainingRun } from "./training/hooks/run-hook.ts";
export type { ScheduleOptions } from "./training/learning-rate/schedules.ts";
export type { ResumeOptions } from "./training/resume.ts";
export { resume } from "./training/resume.ts";
export { readEvents } from "./training/run-folder/event-log.ts";
export type { NamedRecipe, Recipe } from "./training/settings/recipes.ts";
export { recipe, recipeNames, recipes } from "./training/settings/recipes.ts";
export type { SettingsInput } from "./training/settings/settings.ts";
export type { DataSource } from "./training/start/data/run-data.ts";
export type { ModelSource } from "./training/start/starting-network.ts";
export type { TrainOptions } from "./training/train.ts";
export { train } from "./training/train.ts";

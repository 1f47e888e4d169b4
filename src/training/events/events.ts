/**
 * The typed events of a run. The run emits them; `events.jsonl`, the terminal, `--json` and the report read them. Every
 * event is defined once, here, with its type, its fields and their meaning. `RunEvent`, the schema that reads a file
 * and docs/events.md are derived. To add an event, add it to the list and run `npm run docs`.
 *
 * Accuracies are percents; MACs and parameters are counts for one image; names of durations end in their unit.
 */
import { z } from "zod";
import { costKinds } from "../../selection/cost-model.ts";
import {
  balanced,
  controlOf,
  count,
  factorLevels,
  factorMargins,
  factorSummary,
  floatNodes,
  labelFigures,
  labelScores,
  latencyFigures,
  layerStructures,
  networkCost,
  networkSummary,
  outputAgreement,
  placedFactor,
  shrinkable,
  stamp,
  structure,
  structureKind,
} from "./event-parts.ts";

function event<Type extends string, Fields extends z.ZodRawShape>(type: Type, help: string, fields: Fields) {
  return z.object({ type: z.literal(type), ...stamp, ...fields }).describe(help);
}

const blocked = z
  .number()
  .describe("longest time that the event loop of the process was blocked since the last step event");

/** All events, in the order in which a run emits them. */
export const eventDefinitions = [
  event("run.started", "First event of a session. A resumed run has one for each of its sessions.", {
    run: z.string().describe("name of the run"),
    model: z.string().describe("name of the network"),
    dataset: z
      .object({
        name: z.string().describe("name of the dataset"),
        classes: count.describe("number of classes"),
        trainImages: count.describe("training images"),
        testImages: count.describe("test images"),
      })
      .describe("the training and test data"),
    options: z.record(z.string(), z.unknown()).describe("all settings with their defaults, see settings.md"),
    epochs: count.describe("epochs of the run"),
    stepsPerEpoch: count.describe("steps of an epoch"),
    totalSteps: count.describe("steps of the run"),
    cost: networkCost.describe("cost of the network before pruning"),
    factors: z.array(placedFactor).describe("the scaling factors of each layer"),
    engine: z.record(z.string(), z.string()).describe("name, version and settings of the engine"),
    environment: z.record(z.string(), z.string()).describe("Espalier, Node, platform, processor, cores"),
    controlOf: controlOf.exactOptional().describe("for a from-scratch baseline: the run that it belongs to"),
    resumedFrom: count
      .nullable()
      .describe("step of the checkpoint that the session continues from; null for a new run"),
  }),
  event("step", "Progress, at most twice a second, and at the end of each epoch.", {
    loss: z.number().describe("mean loss of the epoch so far"),
    learningRate: z.number().describe("learning rate of the last step"),
    imagesPerSecond: z.number().describe("speed since the last step event"),
    waitMilliseconds: z
      .number()
      .describe("time that the engine waited for a batch, mean of the steps since the last step event"),
    waits: count.describe("how many of those steps found their batch not ready"),
    blockedMilliseconds: blocked,
    etaSeconds: z.number().describe("estimated time until the last step, without certificate and latency"),
    structures: z
      .object({ alive: count.describe("not at zero"), count: count.describe("all") })
      .describe("structures of all layers together; both 0 for a run without factors"),
    macs: count.describe("MACs if the network were pruned now, by the last count"),
  }),
  event("epoch", "End of an epoch.", {
    trainLoss: z.number().describe("mean over the training batches of the epoch, with augmentation"),
    trainAccuracy: z
      .number()
      .describe("mean accuracy on the same batches, in percent; of several labels, images with the right set"),
    testAccuracy: z.number().describe("percent, on the first testImages images of the test split"),
    testImages: count.describe("number of images scored; all test images after the last epoch"),
    balancedAccuracy: balanced.exactOptional(),
    outputs: z
      .array(outputAgreement)
      .exactOptional()
      .describe("if outputs are taught: how each agrees with the original's; testAccuracy is their mean"),
    labels: labelScores
      .exactOptional()
      .describe("if images may have several labels; testAccuracy is then the mean average precision"),
    imagesPerSecond: z.number().describe("speed of training alone, without scoring and checkpoint"),
    seconds: z.number().describe("time of training alone, without scoring and checkpoint"),
    waitMilliseconds: z
      .number()
      .describe("time that the engine waited for a batch, mean of the epoch's steps in this session"),
    waits: count.describe("how many of those steps found their batch not ready"),
    blockedMilliseconds: blocked.describe(
      "longest time that the event loop was blocked, scoring and checkpoint included",
    ),
    learningRate: z.number().describe("learning rate of the last step"),
    layers: z.array(layerStructures).describe("structures of each layer that are alive"),
    factors: z.array(factorSummary).describe("summary of the scaling factors of each layer"),
    levels: factorLevels.exactOptional().describe("every scaling factor; runs of earlier versions do not have it"),
    margins: z
      .array(factorMargins)
      .exactOptional()
      .describe("∂loss/∂λ + γ, in the order of run.started's factors; runs of earlier versions do not have it"),
    cost: networkCost.describe("cost that would remain if the network were pruned now"),
  }),
  event("structure.zeroed", "A factor reached zero.", structure),
  event("structure.revived", "A factor at zero became positive again.", structure),
  event("budget", "Progress of a run with a budget: with each step event, and when the budget is met.", {
    of: z.enum(costKinds).describe("the cost that the budget limits"),
    share: z.number().describe("share of the full network's cost that the budget allows, 0 … 1"),
    left: z.number().describe("share of the cost that is left now, 0 … 1"),
    isMet: z
      .boolean()
      .describe(
        "whether the budget is met: then γ is 0 for the remaining structures, and structures at zero stay there",
      ),
    gamma: z
      .partialRecord(structureKind, z.number())
      .describe("γ of each kind, for the structures that are penalized now; 0 once the budget is met"),
  }),
  event(
    "shrink.deferred",
    "Structures at zero could be pruned, but too little of the run is left for that to save time.",
    { ...shrinkable, structures: count.describe("number of such structures") },
  ),
  event("network.shrunk", "Structures at zero were pruned. Training continues with a smaller network.", {
    ...shrinkable,
    cuts: z
      .array(
        z.object({
          ...structure,
          margin: z
            .number()
            .nullable()
            .describe(
              "lowest ∂loss/∂λ + γ since the factor became zero; null if the structure was pruned with its block",
            ),
        }),
      )
      .describe("the pruned structures"),
    rebuildMilliseconds: z.number().describe("time to prepare the plans of the smaller network"),
    imagesPerSecond: z
      .number()
      .describe("speed before pruning, median of the last steps; 0 if there were none in this session"),
  }),
  event("shrink.measured", "Speed before and after the last network.shrunk.", {
    imagesPerSecond: z
      .object({
        before: z.number().describe("median of the steps before"),
        after: z.number().describe("median of the steps after"),
      })
      .describe("speed of training"),
    steps: count.describe("largest number of steps in each median"),
  }),
  event("communication", "Cost of the sums over ranks, after each epoch of a run on several ranks.", {
    ranks: count.describe("number of ranks"),
    bytes: z.number().describe("bytes that a rank sums with the others in a step"),
    underWayMilliseconds: z.number().describe("time of a step in which sums were in progress"),
    exposedMilliseconds: z.number().describe("part of that time in which the ranks only waited"),
    stepMilliseconds: z.number().describe("time of a whole step"),
    slowest: z
      .object({
        rank: count.describe("its number"),
        host: z.string().describe("its machine"),
        waitedMilliseconds: z.number().describe("mean time that the other ranks waited for it in the epoch"),
        share: z.number().describe("that time as a share of the epoch, 0 … 1"),
      })
      .describe("the rank that came last"),
  }),
  event("int8.begun", "From the next step on, steps simulate 8-bit integers.", {
    epochs: z.number().describe("epochs that are left"),
    layers: count.describe("layers whose weights are rounded"),
    floats: floatNodes,
  }),
  event("checkpoint", "A checkpoint was written.", {
    path: z.string().describe("relative to the run folder"),
    bytes: count.describe("its size"),
  }),
  event("notice", "A fact that readers should know and that does not stop the run, such as a damaged checkpoint.", {
    message: z.string().describe("as a sentence"),
  }),
  event("warning", "The run continues, but its result will probably be poor. Given once for each reason.", {
    reason: z
      .enum([
        "nothing-zero",
        "accuracy-collapsed",
        "budget-missed",
        "latency-missed",
        "one-class",
        "starts-at-chance",
        "int8-short",
      ])
      .describe("for programs"),
    message: z.string().describe("as a sentence"),
    hint: z.string().describe("what to do, as a sentence"),
  }),
  event("interrupted", "The run was stopped by a signal between two steps. Its checkpoint is written.", {
    hint: z.string().describe("how to continue the run, as a sentence"),
  }),
  event("diverged", "The loss or a weight was not finite. The run ends.", {
    loss: z.string().describe("NaN or Infinity as text, because JSON has no such numbers"),
    checkpoint: z.string().nullable().describe("last good checkpoint, relative to the run folder; null without one"),
    hint: z.string().describe("what to do, as a sentence"),
  }),
  event("cut", "The structures at zero were pruned at the end of the run.", {
    before: networkCost.describe("cost of the trained network"),
    after: networkCost.describe("cost of the pruned network"),
    layers: z.array(layerStructures).describe("structures of each layer that are alive"),
    notes: z.array(z.string()).describe("structures that were kept although they were zero, with the reason"),
  }),
  event("certificate", "Comparison of the logits of the trained and the pruned network, on test images.", {
    passed: z.boolean().describe("whether both networks give the same answers"),
    images: count.describe("number of images compared"),
    relativeDifference: z
      .number()
      .describe("largest |Δlogit| in Espalier's engine, divided by the range of the logits"),
    agreeing: count.describe("images whose answers agree; exact ties agree"),
    runtime: z
      .object({
        relativeDifference: z.number().describe("largest |Δlogit|, divided by the range of the logits"),
        agreeing: count.describe("images whose answers agree"),
        name: z.string().exactOptional().describe("engine that replaced ONNX Runtime; absent if ONNX Runtime was used"),
        images: count.exactOptional().describe("number of images that the replacement computed"),
      })
      .describe("the same comparison on the exported files, in ONNX Runtime or its replacement"),
    path: z.string().describe("relative to the run folder"),
  }),
  event("exported", "The ONNX files of the run were written.", {
    files: z
      .array(
        z.object({
          role: z.enum(["network", "compact"]).describe("the trained or the pruned network"),
          path: z.string().describe("relative to the run folder"),
          bytes: count.describe("its size"),
        }),
      )
      .describe("the files"),
  }),
  event("latency", "Latency of the exported files in ONNX Runtime, timed in turns.", {
    batch: count.describe("images in a batch"),
    threads: count.describe("threads of the runtime"),
    before: latencyFigures.describe("latency of the trained network"),
    after: latencyFigures.describe("latency of the pruned network"),
    allThreads: z
      .object({
        threads: count.describe("threads of the runtime"),
        before: latencyFigures.describe("latency of the trained network"),
        after: latencyFigures.describe("latency of the pruned network"),
      })
      .exactOptional()
      .describe("the same with a thread for each core, if there is more than one"),
  }),
  event("classes", "Right answers by class, on the whole test split.", {
    classes: z
      .array(
        z.object({
          name: z.string().describe("name of the class"),
          trainImages: count.describe("its training images"),
          images: count.describe("its test images"),
          before: count.describe("those that the trained network classifies correctly"),
          after: count.describe("those that the pruned network classifies correctly"),
          figures: z
            .object({
              before: labelFigures.describe("of the trained network"),
              after: labelFigures.describe("of the pruned network"),
            })
            .exactOptional()
            .describe("if images may have several labels; images of several classes then count in each"),
        }),
      )
      .describe("in the order of the logits"),
  }),
  event("int8", "The pruned network on 8-bit integers was written, and compared with its floats on all test images.", {
    path: z.string().describe("relative to the run folder"),
    bytes: count.describe("size of the file"),
    epochs: z.number().describe("epochs that simulated the integers; 0 if the ranges were only calibrated"),
    layers: count.describe("layers on integers"),
    floats: floatNodes,
    runtime: z.string().describe("what computed the answers: ONNX Runtime on the file, or the engine, simulated"),
    images: count.describe("number of test images"),
    accuracy: z.number().describe("percent"),
    floatAccuracy: z.number().describe("of the pruned network on floats, in percent"),
    agreeing: count.describe("images that both answer alike"),
    latency: z
      .object({
        threads: count.describe("threads of the runtime"),
        floats: latencyFigures.describe("latency of the pruned network on floats"),
        integers: latencyFigures.describe("latency of the file on integers"),
      })
      .nullable()
      .describe("of one image in ONNX Runtime, in turns; null if it was not measured"),
  }),
  event("run.finished", "Last event of a finished run.", {
    seconds: z.number().describe("wall time of this session"),
    steps: count.describe("steps of this session"),
    waits: count.describe("steps of this session whose batch was not ready"),
    waitedMilliseconds: z.number().describe("total time that these steps waited"),
    blockedMilliseconds: blocked.describe("longest time that the event loop was blocked since the first step"),
    testImages: count.describe("number of test images for the accuracies"),
    before: networkSummary.describe("the trained network with its factors"),
    after: networkSummary.describe("the pruned network"),
    int8: networkSummary.exactOptional().describe("the pruned network on 8-bit integers, if the settings ask for it"),
  }),
] as const;

/** Reads an event. Unknown keys are dropped, so an older reader can read the events of a newer writer. */
export const runEventSchema = z.discriminatedUnion("type", eventDefinitions);

/** The type that a schema reads, with every field and list read-only. */
type ReadOnly<T> = T extends object ? { readonly [Key in keyof T]: ReadOnly<T[Key]> } : T;
type Read<Schema extends z.ZodType> = ReadOnly<z.output<Schema>>;

export type RunEvent = Read<typeof runEventSchema>;
export type RunEventType = RunEvent["type"];

/** The event of one type. */
export type EventOf<Type extends RunEventType> = Extract<RunEvent, { type: Type }>;

/** An event without its time, step and epoch, which `Emitter` adds. */
export type EventBody = { [Type in RunEventType]: Omit<EventOf<Type>, keyof typeof stamp> }[RunEventType];

export type RunStarted = EventOf<"run.started">;
export type Step = EventOf<"step">;
export type Epoch = EventOf<"epoch">;
export type BudgetProgress = EventOf<"budget">;
export type NetworkShrunk = EventOf<"network.shrunk">;
export type ShrinkMeasured = EventOf<"shrink.measured">;
export type Communicated = EventOf<"communication">;
export type Notice = EventOf<"notice">;
export type Warning = EventOf<"warning">;
export type Cut = EventOf<"cut">;
export type CertificateMeasured = EventOf<"certificate">;
export type Exported = EventOf<"exported">;
export type LatencyMeasured = EventOf<"latency">;
export type Int8Measured = EventOf<"int8">;
export type ClassResults = EventOf<"classes">;
export type RunFinished = EventOf<"run.finished">;

export type StructureKind = Read<typeof structureKind>;
export type NetworkCost = Read<typeof networkCost>;
export type LayerStructures = Read<typeof layerStructures>;
export type PlacedFactor = Read<typeof placedFactor>;
export type FactorSummary = Read<typeof factorSummary>;
export type FactorLevels = Read<typeof factorLevels>;
export type FactorMargins = Read<typeof factorMargins>;
export type ControlOf = Read<typeof controlOf>;
export type LatencyFigures = Read<typeof latencyFigures>;
export type NetworkSummary = Read<typeof networkSummary>;
export type ShrunkStructure = EventOf<"network.shrunk">["cuts"][number];

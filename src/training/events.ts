/**
 * The one typed stream of events of a run. The loop emits it; `events.jsonl`, the terminal, `--json` and the report
 * only read it. Every event is defined once, here: its type, its fields and what they mean. `RunEvent`, the schema that
 * reads a file back and docs/events.md are derived. To add an event, add it to the list and run `npm run docs`.
 *
 * Accuracies are percents; MACs and parameters are counts for one image; durations say their unit in their name.
 */
import { z } from "zod";
import {
  controlOf,
  count,
  factorLevels,
  factorMargins,
  factorSummary,
  latencyFigures,
  layerStructures,
  networkCost,
  networkSummary,
  placedFactor,
  shrinkable,
  stamp,
  structure,
  structureKind,
} from "./event-parts.ts";

function event<Type extends string, Fields extends z.ZodRawShape>(type: Type, help: string, fields: Fields) {
  return z.object({ type: z.literal(type), ...stamp, ...fields }).describe(help);
}

const blocked = z.number().describe("longest that the event loop of the process was held up in that time");

/** All events, in the order in which a reader meets them. */
export const eventDefinitions = [
  event("run.started", "First event of a session: a resumed run has one for each time it was started.", {
    run: z.string().describe("name of the run"),
    model: z.string().describe("name of the network"),
    dataset: z
      .object({
        name: z.string().describe("name of the dataset"),
        classes: count.describe("how many classes it has"),
        trainImages: count.describe("training images"),
        testImages: count.describe("test images"),
      })
      .describe("what is trained on"),
    options: z.record(z.string(), z.unknown()).describe("all settings with their defaults, see settings.md"),
    epochs: count.describe("epochs of the run"),
    stepsPerEpoch: count.describe("steps of an epoch"),
    totalSteps: count.describe("steps of the run"),
    cost: networkCost.describe("of the network before pruning"),
    factors: z.array(placedFactor).describe("the scaling factors of each layer"),
    engine: z.record(z.string(), z.string()).describe("name, version and settings of the engine"),
    environment: z.record(z.string(), z.string()).describe("Espalier, Node, platform, processor, cores"),
    controlOf: controlOf.exactOptional().describe("of a from-scratch baseline, the run that it belongs to"),
    resumedFrom: count.nullable().describe("step of the checkpoint that the session goes on from; null for a new run"),
  }),
  event("step", "Progress: at most twice a second, and at the end of each epoch.", {
    loss: z.number().describe("mean of the loss over this epoch so far"),
    learningRate: z.number().describe("learning rate of the last step"),
    imagesPerSecond: z.number().describe("since the last step event"),
    waitMilliseconds: z.number().describe("time that the engine waited for a batch, mean of the steps since then"),
    waits: count.describe("how many of those steps found their batch not ready"),
    blockedMilliseconds: blocked,
    etaSeconds: z.number().describe("estimated time until the last step, without certificate and latency"),
    structures: z
      .object({ alive: count.describe("not at zero"), count: count.describe("all") })
      .describe("all structures together; both 0 for a run without factors"),
    macs: count.describe("MACs if the network were pruned now, as counted last"),
  }),
  event("epoch", "End of an epoch.", {
    trainLoss: z.number().describe("mean over the batches of the epoch as they were trained on, with augmentation"),
    trainAccuracy: z.number().describe("the same of the accuracy, in percent"),
    testAccuracy: z.number().describe("percent, on the first testImages images of the test split"),
    testImages: count.describe("how many were scored; all of them at the end of the last epoch"),
    imagesPerSecond: z.number().describe("of training alone, without scoring and checkpoint"),
    seconds: z.number().describe("of training alone, without scoring and checkpoint"),
    waitMilliseconds: z.number().describe("time that the engine waited for a batch, mean of the steps in this session"),
    waits: count.describe("how many of those steps found their batch not ready"),
    blockedMilliseconds: blocked.describe("longest that the event loop was held up, scoring and checkpoint included"),
    learningRate: z.number().describe("learning rate of the last step"),
    layers: z.array(layerStructures).describe("how much of each layer is alive"),
    factors: z.array(factorSummary).describe("the scaling factors of each layer, in short"),
    levels: factorLevels.exactOptional().describe("every scaling factor; runs of earlier versions do not have it"),
    margins: z
      .array(factorMargins)
      .exactOptional()
      .describe("in the order of run.started's factors, what presses on them; runs of earlier versions do not have it"),
    cost: networkCost.describe("what would remain if the network were pruned now"),
  }),
  event("structure.zeroed", "A factor was seen at zero for the first time since it was last above.", structure),
  event("structure.revived", "A factor that had been zero was seen above it.", structure),
  event("budget", "How a run with a budget stands: with each step event, and when the budget is met.", {
    of: z.enum(["macs", "parameters"]).describe("what the budget counts"),
    share: z.number().describe("share of the full network that is to be left, 0 … 1"),
    left: z.number().describe("share that is left now, 0 … 1"),
    isMet: z.boolean().describe("once it is met the survivors are let go, and what is at zero is held there"),
    gamma: z
      .partialRecord(structureKind, z.number())
      .describe("γ of each kind, of the structures that are pressed now; 0 once the budget is met"),
  }),
  event(
    "shrink.deferred",
    "Structures held at zero could be pruned, but not enough is left of the run for it to be worth the time.",
    { ...shrinkable, structures: count.describe("how many there are") },
  ),
  event("network.shrunk", "Structures held at zero were pruned, and training goes on with a smaller network.", {
    ...shrinkable,
    cuts: z
      .array(
        z.object({
          ...structure,
          margin: z
            .number()
            .nullable()
            .describe("lowest ∂loss/∂λ + γ since it was held at zero; null if it went with its block"),
        }),
      )
      .describe("what was pruned"),
    rebuildMilliseconds: z.number().describe("time that the plans of the smaller network took"),
    imagesPerSecond: z.number().describe("before, median of the last steps; 0 if there were none in this session"),
  }),
  event("shrink.measured", "How much faster the last network.shrunk made the run.", {
    imagesPerSecond: z
      .object({
        before: z.number().describe("median of the steps before"),
        after: z.number().describe("median of the steps after"),
      })
      .describe("speed of training"),
    steps: count.describe("of how many steps, at most, each is the median"),
  }),
  event("communication", "After an epoch that several ranks trained: what the sums over them took.", {
    ranks: count.describe("how many ranks there are"),
    bytes: z.number().describe("what a rank hands in for summing in a step"),
    underWayMilliseconds: z.number().describe("of a step, in which sums were under way"),
    exposedMilliseconds: z.number().describe("of those, in which the ranks did nothing but wait"),
    stepMilliseconds: z.number().describe("of a whole step"),
    slowest: z
      .object({
        rank: count.describe("its number"),
        host: z.string().describe("its machine"),
        waitedMilliseconds: z.number().describe("how long the others waited for it in the epoch, on average"),
        share: z.number().describe("that as a share of the epoch, 0 … 1"),
      })
      .describe("the rank that came last"),
  }),
  event("checkpoint", "A checkpoint was written.", {
    path: z.string().describe("relative to the run folder"),
    bytes: count.describe("its size"),
  }),
  event("notice", "Something a reader should know that stops nothing: a damaged checkpoint passed over.", {
    message: z.string().describe("as a sentence"),
  }),
  event("warning", "The run goes on, but it will hardly end well. Given once a run for each reason.", {
    reason: z.enum(["nothing-zero", "accuracy-collapsed", "budget-missed"]).describe("for programs"),
    message: z.string().describe("as a sentence"),
    hint: z.string().describe("what to do, as a sentence"),
  }),
  event("interrupted", "The run was stopped from outside at a step boundary; its checkpoint is written.", {
    hint: z.string().describe("how to go on, as a sentence"),
  }),
  event("diverged", "The loss was not finite.", {
    loss: z.string().describe("NaN or Infinity, which JSON numbers cannot hold"),
    checkpoint: z.string().nullable().describe("last good checkpoint, relative to the run folder; null without one"),
    hint: z.string().describe("what to do, as a sentence"),
  }),
  event("cut", "At the end, the structures at zero were pruned.", {
    before: networkCost.describe("of the trained network"),
    after: networkCost.describe("of the pruned one"),
    layers: z.array(layerStructures).describe("how much of each layer is alive"),
    notes: z.array(z.string()).describe("what was kept although it was zero, and why"),
  }),
  event("certificate", "Outputs of the trained network against those of the pruned one, on real test images.", {
    passed: z.boolean().describe("whether both give the same answers"),
    images: count.describe("how many images were compared"),
    relativeDifference: z.number().describe("largest |Δlogit| in our engine, divided by the range of the logits"),
    agreeing: count.describe("images whose answers agree; exact ties agree"),
    runtime: z
      .object({
        relativeDifference: z.number().describe("largest |Δlogit|, divided by the range of the logits"),
        agreeing: count.describe("images whose answers agree"),
        name: z.string().exactOptional().describe("what stood in for ONNX Runtime; absent where it was asked"),
        images: count.exactOptional().describe("how many images that was asked for"),
      })
      .describe("the same against ONNX Runtime, or what stood in for it, on the exported file"),
    path: z.string().describe("relative to the run folder"),
  }),
  event("exported", "The ONNX files of the run were written.", {
    files: z
      .array(
        z.object({
          role: z.enum(["network", "compact"]).describe("the trained network, or the pruned one"),
          path: z.string().describe("relative to the run folder"),
          bytes: count.describe("its size"),
        }),
      )
      .describe("what was written"),
  }),
  event("latency", "Latency in ONNX Runtime of the exported files, which were timed in turns.", {
    batch: count.describe("images at once"),
    threads: count.describe("threads of the runtime"),
    before: latencyFigures.describe("of the trained network"),
    after: latencyFigures.describe("of the pruned one"),
  }),
  event("run.finished", "Last event of a run that came to its end.", {
    seconds: z.number().describe("wall time of this session"),
    steps: count.describe("steps of this session"),
    waits: count.describe("how many of them found their batch not ready"),
    waitedMilliseconds: z.number().describe("the time that all of those waited"),
    blockedMilliseconds: blocked.describe("longest that the event loop was held up since the first step"),
    testImages: count.describe("test images that the accuracies are of"),
    before: networkSummary.describe("the trained network with its factors, as it was trained last"),
    after: networkSummary.describe("the pruned network"),
  }),
] as const;

/** Reads an event back; unknown keys are dropped, so a newer writer's additions do not break an older reader. */
export const runEventSchema = z.discriminatedUnion("type", eventDefinitions);

/** What a schema reads, with every field and list read-only. */
type ReadOnly<T> = T extends object ? { readonly [Key in keyof T]: ReadOnly<T[Key]> } : T;
type Read<Schema extends z.ZodType> = ReadOnly<z.output<Schema>>;

export type RunEvent = Read<typeof runEventSchema>;
export type RunEventType = RunEvent["type"];

/** The event of one type. */
export type EventOf<Type extends RunEventType> = Extract<RunEvent, { type: Type }>;

/** An event before the loop stamps it with time, step and epoch. */
export type EventBody = { [Type in RunEventType]: Omit<EventOf<Type>, keyof typeof stamp> }[RunEventType];

export type RunStarted = EventOf<"run.started">;
export type Step = EventOf<"step">;
export type Epoch = EventOf<"epoch">;
export type BudgetStanding = EventOf<"budget">;
export type NetworkShrunk = EventOf<"network.shrunk">;
export type ShrinkMeasured = EventOf<"shrink.measured">;
export type Communicated = EventOf<"communication">;
export type Notice = EventOf<"notice">;
export type Warning = EventOf<"warning">;
export type Cut = EventOf<"cut">;
export type CertificateMeasured = EventOf<"certificate">;
export type Exported = EventOf<"exported">;
export type LatencyMeasured = EventOf<"latency">;
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

/**
 * The one typed stream of events of a run. The loop emits it; `events.jsonl`, the terminal, `--json` and the report only
 * read it. Plain JSON; `event-schema.ts` reads it back.
 *
 * Accuracies are percents; MACs and parameters are counts for one image; durations say their unit in their name.
 */

/** What every event carries. */
interface Stamp {
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Optimizer steps done since the start of the run (not of the session, for a resumed run). */
  readonly step: number;
  /** The epoch the event is about, counted from 1; 0 before the first. */
  readonly epoch: number;
}

/** `group`: of a grouped convolution; `block`: a residual branch; `stream`: a channel that several layers share. */
export type StructureKind = "neuron" | "group" | "block" | "stream";

/** How many structures of one factor parameter are not zero. */
export interface LayerStructures {
  readonly layer: string;
  readonly kind: StructureKind;
  readonly alive: number;
  readonly count: number;
}

export interface NetworkCost {
  readonly macs: number;
  readonly parameters: number;
}

/** The values of one factor parameter, in short. */
export interface FactorSummary {
  readonly layer: string;
  readonly kind: StructureKind;
  readonly minimum: number;
  readonly mean: number;
  readonly maximum: number;
}

/** Every scaling factor, a byte each: small enough to be told each epoch of a network with many thousands. */
export interface FactorLevels {
  /** The largest factor, which 255 stands for. */
  readonly maximum: number;
  /** Base64 of one byte a structure, in the order of `run.started`'s factors: λ / maximum · 255; 0 only for λ = 0. */
  readonly values: string;
}

/** What presses on the structures of one factor parameter, ∂loss/∂λ + γ; those that were cut already are not among them. */
export interface FactorMargins {
  /** Of those at zero, the lowest since each has been held there; below zero, one is about to come back. Null if there are none. */
  readonly zero: number | null;
  /** Of the living, the lowest and the highest at the last step: above zero, it makes them smaller. Null if there are none. */
  readonly living: readonly [lowest: number, highest: number] | null;
}

/** Scaling factors of one layer as placed: `count` λs with sparsity strength γ. */
export interface PlacedFactor {
  readonly parameter: string;
  readonly layer: string;
  readonly kind: StructureKind;
  readonly count: number;
  readonly gamma: number;
}

/** Of what a run is the control: it trains that run's compact architecture from new weights. */
export interface ControlOf {
  /** Name of that run. */
  readonly run: string;
  /** Its folder, relative to the control's, so that both can be moved together. */
  readonly folder: string;
  /** What both have in common. */
  readonly same: "epochs" | "macs";
  /** MACs of the forward passes over all images trained on, in either; backward passes take twice as many again in both. */
  readonly trainingMacs: { readonly run: number; readonly control: number };
}

/** First event of a session: a resumed run has one for each time it was started. */
export interface RunStarted extends Stamp {
  readonly type: "run.started";
  readonly run: string;
  readonly model: string;
  readonly dataset: {
    readonly name: string;
    readonly classes: number;
    readonly trainImages: number;
    readonly testImages: number;
  };
  /** All options with defaults filled in, see `options.ts`. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  /** Of the network before pruning. */
  readonly cost: NetworkCost;
  readonly factors: readonly PlacedFactor[];
  /** The engine's name, version and settings. */
  readonly engine: Readonly<Record<string, string>>;
  /** Espalier, Node, platform, processor, cores. */
  readonly environment: Readonly<Record<string, string>>;
  /** Absent unless the run is a control. */
  readonly controlOf?: ControlOf;
  /** Step of the checkpoint this session continues from; null for a new run. */
  readonly resumedFrom: number | null;
}

/** Progress: at most twice a second, and at the end of each epoch. */
export interface Step extends Stamp {
  readonly type: "step";
  /** Mean of the loss over this epoch so far. */
  readonly loss: number;
  readonly learningRate: number;
  /** Over the time since the last `step` event. */
  readonly imagesPerSecond: number;
  /** Time the engine waited for a batch, mean of the steps since the last `step` event. */
  readonly waitMilliseconds: number;
  /** Of those steps, how many found their batch not ready. */
  readonly waits: number;
  /** Longest that the event loop of the process was held up since the last `step` event. */
  readonly blockedMilliseconds: number;
  /** Estimated time until the last step; the closing work (certificate, latency) is not in it. */
  readonly etaSeconds: number;
  /** All structures together; both 0 for a run without factors. */
  readonly structures: { readonly alive: number; readonly count: number };
  /** MACs if the network were cut now; as of the last count, which is kept for structures that did not change. */
  readonly macs: number;
}

/** End of an epoch. */
export interface Epoch extends Stamp {
  readonly type: "epoch";
  /** Means over the epoch's batches as they were trained on, with augmentation. */
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  /** On the first `testImages` images of the test split; on all of them at the end of the last epoch. */
  readonly testAccuracy: number;
  readonly testImages: number;
  /** Of training alone, as are the seconds; scoring and checkpoint are not in it. */
  readonly imagesPerSecond: number;
  readonly seconds: number;
  /** Time the engine waited for a batch, mean of the epoch's steps in this session; and how many found theirs not ready. */
  readonly waitMilliseconds: number;
  readonly waits: number;
  /** Longest that the event loop of the process was held up since the last `epoch` event, scoring and checkpoint included. */
  readonly blockedMilliseconds: number;
  readonly learningRate: number;
  readonly layers: readonly LayerStructures[];
  readonly factors: readonly FactorSummary[];
  /** Not told by runs of earlier versions. */
  readonly levels?: FactorLevels;
  /** In the order of `run.started`'s factors; not told by runs of earlier versions. */
  readonly margins?: readonly FactorMargins[];
  /** What would remain if the network were cut now. */
  readonly cost: NetworkCost;
}

interface StructureEvent extends Stamp {
  readonly layer: string;
  readonly kind: StructureKind;
  readonly index: number;
}

/** A factor was seen at zero for the first time since it was last above. */
export interface StructureZeroed extends StructureEvent {
  readonly type: "structure.zeroed";
}

/** A factor that had been zero was seen above it. */
export interface StructureRevived extends StructureEvent {
  readonly type: "structure.revived";
}

export interface CheckpointWritten extends Stamp {
  readonly type: "checkpoint";
  /** Relative to the run folder. */
  readonly path: string;
  readonly bytes: number;
}

/** How a run with a budget stands: with each `step`, and when the budget is met. */
export interface BudgetStanding extends Stamp {
  readonly type: "budget";
  /** What the budget counts. */
  readonly of: "macs" | "parameters";
  /** Shares of the full network's, 0 … 1: what is to be left, and what is. */
  readonly share: number;
  readonly left: number;
  /** Once it is met the survivors are let go, and what is at zero is held there. */
  readonly isMet: boolean;
  /** γ of each kind, of the structures that are pressed now; 0 once the budget is met. */
  readonly gamma: { readonly [K in StructureKind]?: number };
}

/** Something a reader should know that stops nothing: a damaged checkpoint passed over, a layer kept alive. */
export interface Notice extends Stamp {
  readonly type: "notice";
  readonly message: string;
}

/** The run goes on, but it will hardly end well; given once a run for each reason. */
export interface Warning extends Stamp {
  readonly type: "warning";
  readonly reason: "nothing-zero" | "accuracy-collapsed" | "budget-missed";
  readonly message: string;
  /** What to do, as a sentence. */
  readonly hint: string;
}

/** The run was stopped from outside at a step boundary; its checkpoint is written. */
export interface Interrupted extends Stamp {
  readonly type: "interrupted";
  /** How to go on, as a sentence. */
  readonly hint: string;
}

/** The loss was not finite. */
export interface Diverged extends Stamp {
  readonly type: "diverged";
  /** "NaN" or "Infinity", which JSON numbers cannot hold. */
  readonly loss: string;
  /** Last good checkpoint, relative to the run folder; null if there is none. */
  readonly checkpoint: string | null;
  readonly hint: string;
}

/** Structures at zero were removed. */
export interface Cut extends Stamp {
  readonly type: "cut";
  readonly before: NetworkCost;
  readonly after: NetworkCost;
  readonly layers: readonly LayerStructures[];
  /** What was kept although it was zero, and why. */
  readonly notes: readonly string[];
}

/** Outputs of the last trained network against those of the cut one, on real test images. */
export interface CertificateMeasured extends Stamp {
  readonly type: "certificate";
  readonly passed: boolean;
  readonly images: number;
  /** Largest |Δlogit| in our engine, divided by the range of the logits. */
  readonly relativeDifference: number;
  /** Images whose answers agree, exact ties counted as agreement. */
  readonly agreeing: number;
  /** The same against ONNX Runtime on the exported file. */
  readonly runtime: { readonly relativeDifference: number; readonly agreeing: number };
  /** Relative to the run folder. */
  readonly path: string;
}

export interface ExportedFile {
  readonly role: "network" | "compact";
  /** Relative to the run folder. */
  readonly path: string;
  readonly bytes: number;
}

export interface Exported extends Stamp {
  readonly type: "exported";
  readonly files: readonly ExportedFile[];
}

/** Time of one batch in ONNX Runtime, milliseconds: half of the runs lie between the quartiles. */
export interface LatencyFigures {
  readonly median: number;
  readonly lowerQuartile: number;
  readonly upperQuartile: number;
  readonly runs: number;
}

/** Latency in ONNX Runtime of the exported files, measured in turns. */
export interface LatencyMeasured extends Stamp {
  readonly type: "latency";
  readonly batch: number;
  readonly threads: number;
  readonly before: LatencyFigures;
  readonly after: LatencyFigures;
}

/** One column of the closing table. */
export interface NetworkSummary {
  /** On the whole test split, in percent. */
  readonly accuracy: number;
  readonly macs: number;
  readonly parameters: number;
  /** Size of the ONNX file. */
  readonly bytes: number;
  /** Median time of one image in ONNX Runtime; null if it was not measured. */
  readonly latencyMilliseconds: number | null;
}

/** Last event of a run that came to its end. */
export interface RunFinished extends Stamp {
  readonly type: "run.finished";
  /** Wall time of this session. */
  readonly seconds: number;
  /** In this session: steps, how many of them found their batch not ready, and the time all of those waited. */
  readonly steps: number;
  readonly waits: number;
  readonly waitedMilliseconds: number;
  /** Longest that the event loop of the process was held up between the first step and this event. */
  readonly blockedMilliseconds: number;
  readonly testImages: number;
  /** The trained network with its factors; its accuracy is that of the network as it was trained last. */
  readonly before: NetworkSummary;
  /** The compact network. */
  readonly after: NetworkSummary;
}

/** A structure that was cut while training went on. */
export interface ShrunkStructure {
  readonly layer: string;
  readonly kind: StructureKind;
  /** As when the run began. */
  readonly index: number;
  /** The lowest ∂loss/∂λ + γ since it has been held at zero; null if it went with another, say with its block. */
  readonly margin: number | null;
}

/** What a cut would take out of the network as it is trained now, and what that is worth. */
interface Shrinkable extends Stamp {
  readonly before: NetworkCost;
  readonly after: NetworkCost;
  /** Steps of the network before that the cut saves in the rest of the run, by its MACs; and how many make it worth while. */
  readonly stepsSaved: number;
  readonly stepsNeeded: number;
}

/** Structures held at zero could be cut, but not enough is left of the run for it to be worth the time. */
export interface ShrinkDeferred extends Shrinkable {
  readonly type: "shrink.deferred";
  readonly structures: number;
}

/** Structures held at zero were cut, and training goes on with a smaller network. */
export interface NetworkShrunk extends Shrinkable {
  readonly type: "network.shrunk";
  readonly cuts: readonly ShrunkStructure[];
  /** What it took to make the plans of the smaller network. */
  readonly rebuildMilliseconds: number;
  /** Before the cut, median of the last steps; 0 if there were none in this session. */
  readonly imagesPerSecond: number;
}

/** Of an epoch trained on several ranks: what the sums over them took. */
export interface Communicated extends Stamp {
  readonly type: "communication";
  readonly ranks: number;
  /** That a rank hands in for summing in a step. */
  readonly bytes: number;
  /** Milliseconds of a step in which sums were under way, and those of them in which the ranks did nothing but wait. */
  readonly underWayMilliseconds: number;
  readonly exposedMilliseconds: number;
  readonly stepMilliseconds: number;
  /** The rank that came last, and how long the others waited for it in the epoch, on average; `share` of the epoch's time, 0 … 1. */
  readonly slowest: {
    readonly rank: number;
    readonly host: string;
    readonly waitedMilliseconds: number;
    readonly share: number;
  };
}

/** How much faster the last `network.shrunk` made the run. */
export interface ShrinkMeasured extends Stamp {
  readonly type: "shrink.measured";
  /** Medians of up to `steps` steps before the cut and of as many after it. */
  readonly imagesPerSecond: { readonly before: number; readonly after: number };
  readonly steps: number;
}

export type RunEvent =
  | RunStarted
  | Step
  | Epoch
  | StructureZeroed
  | StructureRevived
  | BudgetStanding
  | ShrinkDeferred
  | NetworkShrunk
  | ShrinkMeasured
  | Communicated
  | CheckpointWritten
  | Notice
  | Warning
  | Interrupted
  | Diverged
  | Cut
  | CertificateMeasured
  | Exported
  | LatencyMeasured
  | RunFinished;

export type RunEventType = RunEvent["type"];

/** An event before the loop stamps it with time, step and epoch. */
export type EventBody = { [T in RunEventType]: Omit<Extract<RunEvent, { type: T }>, keyof Stamp> }[RunEventType];

/**
 * The digest of a run: its events, summarised as plain data of bounded size. The server summarises the events of the
 * file and sends the digest; the page adds later events. Both use this file, so they agree.
 */
import type { EpochOfRanks } from "../report/ranks.ts";
import type {
  BudgetProgress,
  CertificateMeasured,
  Cut,
  Epoch,
  Exported,
  LatencyMeasured,
  NetworkCost,
  Notice,
  RunEvent,
  RunFinished,
  RunStarted,
  StructureKind,
  Warning,
} from "../training/events/events.ts";
import { addChange, type Changes, cutChanges, emptyChanges } from "./changes.ts";
import { addSample, type Curve, cutCurve, emptyCurve } from "./curve.ts";

/**
 * An epoch, without the values that the page fetches separately. `alive`: number of living structures of each factor
 * parameter, in the order of `started.factors`.
 */
export interface EpochPoint
  extends Pick<
    Epoch,
    | "step"
    | "epoch"
    | "trainLoss"
    | "trainAccuracy"
    | "testAccuracy"
    | "testImages"
    | "imagesPerSecond"
    | "seconds"
    | "learningRate"
    | "cost"
  > {
  readonly alive: readonly number[];
}

/** A pruning step during training. */
export interface ShrinkPoint {
  readonly step: number;
  readonly epoch: number;
  readonly before: NetworkCost;
  readonly after: NetworkCost;
  readonly structures: number;
  readonly margin: number | null;
  /** Images per second; null until it is measured. */
  readonly speed: { readonly before: number; readonly after: number } | null;
}

/** How a session ended before the end of the run. */
export interface Ending {
  readonly reason: "interrupted" | "diverged";
  readonly hint: string;
}

export type Gammas = Readonly<Record<StructureKind, number>>;

export interface Digest {
  started: RunStarted | null;
  /** Time when the first session started. */
  created: string | null;
  sessions: number;
  /** Time of the last event. */
  time: string | null;
  step: number;
  etaSeconds: number;
  waitMilliseconds: number;
  /** Present γ of each kind; the mean if structures of a kind have different γ. */
  gamma: Gammas;
  /** Progress towards the budget, in a run that has one. */
  budget: BudgetProgress | null;
  readonly curve: Curve;
  readonly epochs: EpochPoint[];
  readonly changes: Changes;
  /** Lowest margin of the structures that were pruned during training, by "<kind> <layer>". */
  readonly margins: Record<string, number>;
  readonly shrinks: ShrinkPoint[];
  /** Communication in each epoch that several ranks trained. */
  readonly communications: (EpochOfRanks & { readonly step: number })[];
  readonly notices: (Notice | Warning)[];
  cut: Cut | null;
  certificate: CertificateMeasured | null;
  exported: Exported | null;
  latency: LatencyMeasured | null;
  finished: RunFinished | null;
  ending: Ending | null;
}

/** Limit of changes of structures in a digest. In large networks the limit is four for each structure. */
const LEAST_CHANGES = 20_000;
const MOST_NOTICES = 50;

const NO_GAMMA: Gammas = { neuron: 0, group: 0, block: 0, stream: 0 };

export function emptyDigest(): Digest {
  return {
    started: null,
    created: null,
    sessions: 0,
    time: null,
    step: 0,
    etaSeconds: 0,
    waitMilliseconds: 0,
    gamma: NO_GAMMA,
    budget: null,
    curve: emptyCurve(),
    epochs: [],
    changes: emptyChanges(),
    margins: {},
    shrinks: [],
    communications: [],
    notices: [],
    cut: null,
    certificate: null,
    exported: null,
    latency: null,
    finished: null,
    ending: null,
  };
}

export function structureCount({ started }: Digest): number {
  return started === null ? 0 : started.factors.reduce((sum, { count }) => sum + count, 0);
}

/** Number of a structure, in the order of factor parameters. Undefined for a structure without a factor. */
function structureNumber({ started }: Digest, layer: string, kind: string, index: number): number | undefined {
  let first = 0;
  for (const factor of started?.factors ?? []) {
    if (factor.layer === layer && factor.kind === kind) return index < factor.count ? first + index : undefined;
    first += factor.count;
  }
  return undefined;
}

/** γ at the start. With a budget the factors have ratios only, and the first `budget` event has γ. */
function placedGamma({ factors, options }: RunStarted): Gammas {
  if (options["budget"] !== undefined) return NO_GAMMA;
  const mean = (kind: StructureKind): number => {
    const own = factors.filter((factor) => factor.kind === kind);
    return own.reduce((sum, { gamma }) => sum + gamma, 0) / Math.max(1, own.length);
  };
  return { neuron: mean("neuron"), group: mean("group"), block: mean("block"), stream: mean("stream") };
}

/** Removes everything after `step`: a session that resumes from a checkpoint repeats the events after it. */
function rollBack(digest: Digest, step: number): void {
  cutCurve(digest.curve, step);
  cutChanges(digest.changes, step);
  const keep = <T extends { readonly step: number }>(list: T[]): void => {
    list.splice(0, list.length, ...list.filter((entry) => entry.step <= step));
  };
  keep(digest.epochs);
  keep(digest.shrinks);
  keep(digest.communications);
  keep(digest.notices);
}

function addEpoch(digest: Digest, event: Epoch): void {
  const { step, epoch, trainLoss, trainAccuracy, testAccuracy, testImages, imagesPerSecond, seconds } = event;
  const { learningRate, cost, layers } = event;
  const counts = new Map(layers.map(({ layer, kind, alive }) => [`${kind} ${layer}`, alive] as const));
  const alive = (digest.started?.factors ?? []).map(({ layer, kind }) => counts.get(`${kind} ${layer}`) ?? 0);
  digest.epochs.push({
    ...{ step, epoch, trainLoss, trainAccuracy, testAccuracy, testImages },
    ...{ imagesPerSecond, seconds, learningRate, cost, alive },
  });
}

/** Adds `event` to `digest`, in place. */
export function addEvent(digest: Digest, event: RunEvent): void {
  digest.time = event.time;
  switch (event.type) {
    case "run.started":
      if (event.resumedFrom !== null) rollBack(digest, event.resumedFrom);
      digest.started = event;
      digest.gamma = placedGamma(event);
      digest.created ??= event.time;
      digest.sessions++;
      digest.ending = null;
      // A finished run that goes on ends anew.
      digest.certificate = null;
      digest.finished = null;
      break;
    case "step": {
      const { loss, learningRate, imagesPerSecond, macs, structures } = event;
      const { neuron, group, block, stream } = digest.gamma;
      addSample(digest.curve, event.step, {
        ...{ loss, learningRate, imagesPerSecond, macs, alive: structures.alive, left: digest.budget?.left ?? 1 },
        ...{ gammaNeuron: neuron, gammaGroup: group, gammaBlock: block, gammaStream: stream },
      });
      digest.etaSeconds = event.etaSeconds;
      digest.waitMilliseconds = event.waitMilliseconds;
      break;
    }
    case "budget":
      digest.budget = event;
      digest.gamma = { ...NO_GAMMA, ...event.gamma };
      break;
    case "epoch":
      addEpoch(digest, event);
      break;
    case "structure.zeroed":
    case "structure.revived": {
      const number = structureNumber(digest, event.layer, event.kind, event.index);
      const most = Math.max(LEAST_CHANGES, 4 * structureCount(digest));
      if (number !== undefined) addChange(digest.changes, event.step, number, event.type === "structure.revived", most);
      break;
    }
    case "network.shrunk": {
      const margins = event.cuts.flatMap(({ margin }) => margin ?? []);
      for (const { kind, layer, margin } of event.cuts) {
        const key = `${kind} ${layer}`;
        if (margin !== null) digest.margins[key] = Math.min(margin, digest.margins[key] ?? margin);
      }
      const { step, epoch, before, after, cuts } = event;
      const margin = margins.length === 0 ? null : margins.reduce((a, b) => Math.min(a, b));
      digest.shrinks.push({ step, epoch, before, after, structures: cuts.length, margin, speed: null });
      break;
    }
    case "shrink.measured": {
      const last = digest.shrinks.pop();
      if (last !== undefined) digest.shrinks.push({ ...last, speed: event.imagesPerSecond });
      break;
    }
    case "communication": {
      const { step, epoch, ranks, bytes, underWayMilliseconds, exposedMilliseconds, stepMilliseconds, slowest } = event;
      digest.communications.push({
        ...{ step, epoch, ranks, bytes, underWayMilliseconds, exposedMilliseconds, stepMilliseconds, slowest },
      });
      break;
    }
    case "notice":
    case "warning":
      digest.notices.push(event);
      if (digest.notices.length > MOST_NOTICES) digest.notices.shift();
      break;
    case "interrupted":
    case "diverged":
      digest.ending = { reason: event.type, hint: event.hint };
      break;
    case "cut":
      digest.cut = event;
      break;
    case "certificate":
      digest.certificate = event;
      break;
    case "exported":
      digest.exported = event;
      break;
    case "latency":
      digest.latency = event;
      break;
    case "run.finished":
      digest.finished = event;
      break;
  }
  digest.step = event.step;
}

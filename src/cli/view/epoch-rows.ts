/** The table of epochs that a run prints: a heading, then a row for each epoch. */
import { formatDuration, formatMilliseconds, formatPercent, formatQuantity, percentOf } from "../../report/format.ts";
import type { Epoch, RunStarted, StructureKind } from "../../training/events/events.ts";
import { alignRight, type Terminal } from "../terminal.ts";

interface Column {
  readonly heading: string;
  readonly width: number;
  /** If the terminal is narrow, columns of the lowest rank are omitted first. */
  readonly rank: number;
  readonly cell: (epoch: Epoch) => string;
}

const MEAN_PRECISION = "mAP";
const kinds: readonly StructureKind[] = ["neuron", "group", "block", "stream"];

function alive(epoch: Epoch, kind: StructureKind): string {
  const own = epoch.layers.filter((layer) => layer.kind === kind);
  const sum = (key: "alive" | "count"): number => own.reduce((total, layer) => total + layer[key], 0);
  return `${sum("alive")}/${sum("count")}`;
}

function columnsOf(started: RunStarted): readonly Column[] {
  const present = kinds.filter((kind) => started.factors.some((factor) => factor.kind === kind));
  // Of several labels: the mean average precision, and the training images with the right set of labels.
  const [test, train] = started.options["task"] === "multi-label" ? [MEAN_PRECISION, "exact"] : ["test", "train"];
  const macs = ({ cost }: Epoch): string => formatPercent(percentOf(cost.macs, started.cost.macs));
  const { latency: wholeLatency } = started.cost;
  const latency = ({ cost }: Epoch): string =>
    cost.latency === undefined || wholeLatency === undefined
      ? ""
      : formatPercent(percentOf(cost.latency, wholeLatency));
  return [
    { heading: "epoch", width: 8, rank: 9, cell: ({ epoch }) => `${epoch}/${started.epochs}` },
    { heading: test, width: 8, rank: 8, cell: ({ testAccuracy }) => formatPercent(testAccuracy) },
    { heading: train, width: 8, rank: 5, cell: ({ trainAccuracy }) => formatPercent(trainAccuracy) },
    { heading: "loss", width: 7, rank: 4, cell: ({ trainLoss }) => trainLoss.toFixed(3) },
    ...present.map((kind) => ({
      heading: `${kind}s`,
      width: kind === "neuron" || kind === "stream" ? 10 : 8,
      rank: 6,
      cell: (epoch: Epoch) => alive(epoch, kind),
    })),
    { heading: "MACs", width: 9, rank: wholeLatency === undefined ? 7 : 3, cell: macs },
    ...(wholeLatency === undefined ? [] : [{ heading: "latency", width: 9, rank: 7, cell: latency }]),
    { heading: "images/s", width: 10, rank: 2, cell: ({ imagesPerSecond }) => formatQuantity(imagesPerSecond) },
    { heading: "wait", width: 10, rank: 0, cell: ({ waitMilliseconds }) => formatMilliseconds(waitMilliseconds) },
    {
      heading: "blocked",
      width: 10,
      rank: -1,
      cell: ({ blockedMilliseconds }) => formatMilliseconds(blockedMilliseconds),
    },
    { heading: "time", width: 12, rank: 1, cell: ({ seconds }) => formatDuration(seconds) },
  ];
}

/** The columns that fit into `width`. */
function fitting(columns: readonly Column[], width: number): readonly Column[] {
  let kept = columns;
  while (kept.length > 1 && kept.reduce((sum, column) => sum + column.width, 0) > width) {
    const lowest = Math.min(...kept.map(({ rank }) => rank));
    kept = kept.filter(({ rank }) => rank !== lowest);
  }
  return kept;
}

export interface EpochRows {
  readonly heading: string;
  row(epoch: Epoch): string;
}

/** Rows with a column for each kind of structure in `started`. Their width is that of the terminal at the start. */
export function epochRows(started: RunStarted, terminal: Terminal): EpochRows {
  const columns = fitting(columnsOf(started), terminal.width());
  const ofCost = started.cost.latency === undefined ? "MACs" : "latency";
  const { bold, dim } = terminal.colours;
  return {
    heading: dim(columns.map(({ heading, width }) => alignRight(heading, width)).join("")),
    row: (epoch) =>
      columns
        .map(({ cell, width, heading }) => {
          const text = alignRight(cell(epoch), width);
          return heading === "test" || heading === MEAN_PRECISION || heading === ofCost ? bold(text) : text;
        })
        .join(""),
  };
}

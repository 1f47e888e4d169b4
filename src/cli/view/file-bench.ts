/** One or two networks with their costs and their latency in ONNX Runtime, as lines. */
import { basename } from "node:path";
import type { FileFacts } from "../../evaluation/file-facts.ts";
import type { Latency } from "../../evaluation/latency.ts";
import type { ProfiledNode } from "../../evaluation/runtime-profile.ts";
import {
  formatBytes,
  formatMilliseconds,
  formatPercent,
  formatQuantity,
  percentOf,
  plural,
} from "../../report/format.ts";
import type { Terminal } from "../terminal.ts";
import { type Cell, columns, left, right } from "./columns.ts";

/** A network that was timed. */
export interface TimedFile extends Omit<FileFacts, "file"> {
  /** As the user named it. */
  readonly name: string;
  /** Time of each node with a batch of 1 on one thread; empty without `--per-layer`. */
  readonly layers: readonly ProfiledNode[];
}

export interface FileBench {
  readonly files: readonly TimedFile[];
  /** For each batch size and number of threads, the latency of each file. */
  readonly latencies: readonly (readonly Omit<Latency, "file">[])[];
  readonly notices: readonly string[];
}

type Row = readonly [name: string, values: readonly string[], left?: string];

/** The files' base names if they are different, else the names as they are. */
function shortNames(names: readonly string[]): readonly string[] {
  const short = names.map((name) => basename(name));
  return new Set(short).size === new Set(names).size ? short : names;
}

export function fileBenchLines({ files, latencies }: FileBench, version: string, terminal: Terminal): string[] {
  const { bold, dim } = terminal.colours;
  const names = shortNames(files.map(({ name }) => name));
  const share = (values: readonly number[]): string | undefined =>
    values.length < 2 ? undefined : formatPercent(percentOf(values[0] ?? 0, values[1] ?? 0));
  const row = (name: string, values: readonly number[], format: (value: number) => string): Row => {
    const part = share(values);
    return part === undefined ? [name, values.map(format)] : [name, values.map(format), part];
  };
  const rows: readonly Row[] = [
    row(
      "file",
      files.map(({ bytes }) => bytes),
      formatBytes,
    ),
    row(
      "parameters",
      files.map(({ parameters }) => parameters),
      formatQuantity,
    ),
    row(
      "MACs of one image",
      files.map(({ macs }) => macs),
      formatQuantity,
    ),
    ...latencies.map((condition): Row => {
      const [{ batch = 1, threads = 1 } = {}] = condition;
      const part = share(condition.map(({ median }) => median));
      const values = condition.map(({ median, lowerQuartile, upperQuartile }) => {
        const [lower, upper] = [lowerQuartile, upperQuartile].map((time) =>
          formatMilliseconds(time).replace(" ms", ""),
        );
        return `${formatMilliseconds(median)} (${lower} … ${upper})`;
      });
      const name = `batch ${batch}, ${plural(threads, "thread")}`;
      return part === undefined ? [name, values] : [name, values, part];
    }),
  ];
  const isCompared = files.length > 1;
  const cells = (name: string, values: readonly string[], part: string): readonly Cell[] => [
    left(name),
    ...values.map(right),
    ...(isCompared ? [right(part)] : []),
  ];
  const [heading = "", ...body] = columns([
    cells("", names, "ratio"),
    ...rows.map(([name, values, part = ""]) => cells(name, values, part)),
  ]);
  const conditions = `ONNX Runtime ${version}; medians and quartiles; networks run in turns`;
  return [
    "",
    `  ${bold(names.join(" against "))}  ${dim(conditions)}`,
    "",
    dim(heading),
    ...body,
    ...files.flatMap(({ layers }, index) => layerLines(names[index] ?? "", layers, terminal)),
  ];
}

/** Times of the nodes of one network, in the order in which they run. */
function layerLines(name: string, layers: readonly ProfiledNode[], { colours }: Terminal): string[] {
  if (layers.length === 0) return [];
  const total = layers.reduce((sum, { median }) => sum + median, 0);
  const [heading = "", ...body] = columns([
    [left("op"), left("node"), left("from"), left("to"), right("ms"), right("share")],
    ...layers.map(({ op, name: node, inputs, outputs, median }) => [
      left(op),
      left(shortened(node)),
      left((inputs[0] ?? []).join("x")),
      left((outputs[0] ?? []).join("x")),
      right(median.toFixed(3)),
      right(formatPercent(percentOf(median, total))),
    ]),
  ]);
  const conditions = "batch 1, 1 thread; ONNX Runtime fuses nodes, and the names are its own";
  return ["", `  ${colours.bold(name)}  ${colours.dim(conditions)}`, "", colours.dim(heading), ...body];
}

const LONGEST_NAME = 44;

/** Shortens a long name at its start, because its end says which layer it is. */
function shortened(name: string): string {
  return name.length <= LONGEST_NAME ? name : `…${name.slice(1 - LONGEST_NAME)}`;
}

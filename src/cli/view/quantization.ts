/** A quantised network beside its original, as lines. */
import type { Latency } from "../../evaluation/latency.ts";
import type { QuantizedComparison } from "../../quantization/compare.ts";
import type { Quantized } from "../../quantization/quantize.ts";
import {
  formatBytes,
  formatCount,
  formatMilliseconds,
  formatPercent,
  formatSmall,
  percentOf,
  plural,
} from "../../report/format.ts";
import type { Terminal } from "../terminal.ts";
import { columns, left, right } from "./columns.ts";
import { floatNodesText } from "./float-nodes.ts";
import { fileLines } from "./run-summary.ts";

/** Printed as it is by `--json`, and written beside the file. */
export interface QuantizationReport extends Pick<Quantized, "method" | "candidates" | "kept" | "images"> {
  readonly file: string;
  readonly out: string;
  readonly dataset: string;
  /** The result on the held-out training images. */
  readonly heldOut: Quantized["score"];
  /** Original and result on all test images. */
  readonly comparison: QuantizedComparison;
}

function latencyText({ median, lowerQuartile, upperQuartile }: Latency): string {
  const [lower, upper] = [lowerQuartile, upperQuartile].map((time) => formatMilliseconds(time).replace(" ms", ""));
  return `${formatMilliseconds(median)} (${lower} … ${upper})`;
}

function candidateLines({ candidates, method, heldOut, images }: QuantizationReport, { colours }: Terminal): string[] {
  const [heading = "", ...rows] = columns([
    [left("ranges"), right("accuracy"), right("same answers"), right("divergence"), left("")],
    ...candidates.map((candidate) => [
      left(candidate.method),
      right(formatPercent(candidate.accuracy, 2)),
      right(formatPercent(candidate.agreement, 2)),
      right(formatSmall(candidate.divergence)),
      left(candidate.method === method ? "nearest: taken" : ""),
    ]),
  ]);
  const on =
    `${formatCount(images.calibration)} calibration images; compared on ${formatCount(images.heldOut)} other ` +
    `training images (floats: ${formatPercent(heldOut.original, 2)})`;
  return ["", `  ${colours.dim(on)}`, "", colours.dim(heading), ...rows];
}

function comparisonLines({ comparison, dataset }: QuantizationReport, { colours }: Terminal): string[] {
  const { original, quantized, images, agreement, latencies, onnxRuntime } = comparison;
  const [heading = "", ...rows] = columns([
    [left(""), right("floats"), right("INT8"), right("")],
    [
      left("accuracy"),
      right(formatPercent(original.accuracy, 2)),
      right(formatPercent(quantized.accuracy, 2)),
      right(`${formatPercent(agreement, 2)} same answers`),
    ],
    [
      left("file"),
      right(formatBytes(original.bytes)),
      right(formatBytes(quantized.bytes)),
      right(formatPercent(percentOf(quantized.bytes, original.bytes))),
    ],
    ...latencies.map((latency) => [
      left(`one image, ${plural(latency.original.threads, "thread")}`),
      right(latencyText(latency.original)),
      right(latencyText(latency.quantized)),
      right(formatPercent(percentOf(latency.quantized.median, latency.original.median))),
    ]),
  ]);
  const on =
    `${formatCount(images)} test images of ${dataset}; ONNX Runtime ${onnxRuntime}; medians and quartiles, the files ` +
    "in turns";
  return ["", `  ${colours.dim(on)}`, "", colours.dim(heading), ...rows];
}

export function quantizationLines(report: QuantizationReport, json: string, terminal: Terminal): string[] {
  const { colours } = terminal;
  const { kept, comparison, heldOut } = report;
  const floats = comparison.floats.filter(({ name }) => !kept.some((layer) => name.startsWith(layer.name)));
  return [
    ...candidateLines(report, terminal),
    ...comparisonLines(report, terminal),
    "",
    `  ${colours.green("✓")} quantised: ${formatPercent(heldOut.agreement, 2)} of the held-out answers are the same`,
    ...(kept.length === 0
      ? []
      : [`    layers on floats: ${kept.map(({ name, reason }) => `${name} (${reason})`).join(", ")}`]),
    floats.length === 0
      ? colours.dim("    ONNX Runtime computes all other nodes on integers")
      : `    nodes without an integer form stay floats: ${floatNodesText(floats)}`,
    "",
    ...fileLines(
      [
        ["INT8", report.out],
        ["figures", json],
      ],
      terminal,
    ),
  ];
}

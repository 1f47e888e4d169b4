/** `espalier measure <network>`: how long ONNX Runtime takes for the network's layers on this machine, as a file. */
import type { Command } from "commander";
import { integerFor, threadsFor } from "../../core/text-values.ts";
import { requirePlaceFor } from "../../formats/file.ts";
import { predictorOf } from "../../latency/predict.ts";
import { describeTable } from "../../latency/table.ts";
import { modelNames } from "../../models/zoo.ts";
import { formatMilliseconds, formatPercent } from "../../report/format.ts";
import { saveLatencyTable } from "../../training/start/latency-table.ts";
import { type CommonOptions, type Context, printJson, withCommonOptions } from "../context.ts";
import { measureShown } from "../latency.ts";
import { openNetwork } from "../network.ts";

interface MeasureOptions extends CommonOptions {
  readonly out: string;
  readonly threads: number;
  readonly batch: number;
}

async function measure(context: Context, source: string, options: MeasureOptions): Promise<void> {
  const { out, threads, batch } = options;
  await requirePlaceFor(out);
  const { graph } = await openNetwork(source);
  const table = await measureShown(context, graph, { threads, batch });
  await saveLatencyTable(out, table);
  const milliseconds = predictorOf(table).run(graph);
  if (options.json === true) return printJson(context, { file: out, milliseconds, ...table });
  const { stdout } = context;
  const { bold, dim } = stdout.colours;
  const { layers, channelBlock, spread } = table;
  const kinds = `${layers.length} kinds of layers, spread ${formatPercent(100 * spread)}`;
  const next = `espalier train ${source} --budget 50%-latency --latency-table ${out}`;
  for (const line of [
    "",
    `  ${bold(graph.name)}  ${dim(describeTable(table))}`,
    `  ${bold(formatMilliseconds(milliseconds))} a run, ${kinds}`,
    ...(channelBlock === 1
      ? []
      : [`  The runtime computes ${channelBlock} channels at once, so the time of a layer falls in steps of so many.`]),
    "",
    `  table    ${out}`,
    `  ${dim("prune for this device, on any machine:")}`,
    `  ${dim(next)}`,
  ]) {
    stdout.print(line);
  }
}

export function addMeasure(program: Command, context: Context): void {
  const command = program
    .command("measure")
    .description("Time the layers of a network on this machine, for budgets of latency (train --latency-table).")
    .argument("<network>", `an ONNX file, or a model (${modelNames.join(", ")})`)
    .option("--out <file>", "where to write the table", "latency.json")
    .option("--threads <n>", "threads of ONNX Runtime", threadsFor("--threads"), 1)
    .option("--batch <images>", "images of a run", integerFor("--batch"), 1)
    .action((source: string, options: MeasureOptions) => measure(context, source, options));
  withCommonOptions(command, [
    "espalier measure resnet-20 --out laptop.json",
    "espalier measure model.onnx --threads 4 --out server.json",
    "espalier train model.onnx --data ./photos --budget 50%-latency --latency-table server.json",
  ]);
}

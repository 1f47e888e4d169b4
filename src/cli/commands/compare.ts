/** `espalier compare <runs…>`: shows finished runs side by side, as a table or as a page with plots. */
import { dirname } from "node:path";
import type { Command } from "commander";
import { compareRuns } from "../../experiments/comparison.ts";
import { writeComparison } from "../../experiments/comparison-page.ts";
import { type CommonOptions, type Context, printJson, printNotice, withCommonOptions } from "../context.ts";
import { comparisonLines } from "../view/comparison.ts";
import { fileLines } from "../view/run-summary.ts";

interface CompareFlags extends CommonOptions {
  readonly out?: string;
}

export function addCompare(program: Command, context: Context): void {
  const command = program
    .command("compare")
    .description("Compare finished runs and their from-scratch baselines: accuracy, MACs and parameters.")
    .argument("<runs...>", "folders of runs or sweeps; globs are allowed")
    .option("--out <folder>", "write a page (HTML), its plots (SVG) and the figures (CSV) into this folder")
    .action(async (places: readonly string[], { out, json }: CompareFlags) => {
      const comparison = await compareRuns(places);
      for (const folder of comparison.unfinished) printNotice(context, `skipped ${folder}: the run is not finished`);
      const files = out === undefined ? [] : await writeComparison(out, comparison);
      if (json === true) {
        printJson(context, { ...comparison, files });
        return;
      }
      const { stdout } = context;
      for (const line of comparisonLines(comparison, stdout)) stdout.print(line);
      const [page, figures, byEpoch, byLayer, ...plots] = files;
      if (page === undefined || figures === undefined || byEpoch === undefined || byLayer === undefined) return;
      const named = [
        ["page", page],
        ["figures", figures],
        ["by epoch", byEpoch],
        ["by layer", byLayer],
        [`${plots.length} plots`, dirname(page)],
      ] as const;
      for (const line of ["", ...fileLines(named, stdout)]) stdout.print(line);
    });
  withCommonOptions(command, [
    "espalier compare runs/resnet-20-cifar10-sweep --out comparison",
    "espalier compare runs/a runs/b 'runs/vgg-16*'",
  ]);
}

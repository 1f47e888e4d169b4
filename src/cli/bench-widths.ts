/** `espalier bench --widths`: times layers of many widths in ONNX Runtime, and recommends a multiple for `--round`. */
import { optional } from "../core/optional.ts";
import { onnxRuntimeVersion } from "../evaluation/runtime-library.ts";
import { measureWidths, type WidthTimes } from "../evaluation/width-multiples.ts";
import { formatMilliseconds, formatPercent } from "../report/format.ts";
import { type CommonOptions, type Context, printJson } from "./context.ts";
import type { Terminal } from "./terminal.ts";
import { columns, left, right } from "./view/columns.ts";
import { withStatusLine } from "./view/status-line.ts";

interface WidthBenchOptions extends CommonOptions {
  readonly threads?: number;
  readonly runs?: number;
}

/** Length of the longest bar, in columns. */
const BAR = 30;

function widthLines({ milliseconds, relative, multiple }: WidthTimes, { colours }: Terminal): string[] {
  const longest = Math.max(...milliseconds);
  // Time over width is a staircase. Its steps are at multiples of 8, so show those and the widths right behind them.
  const shown = milliseconds
    .map((time, index) => ({ time, width: index + 1 }))
    .filter(({ width }) => width % 4 === 0 || width % 8 === 1);
  const bars = columns(
    shown.map(({ time, width }) => [
      right(String(width)),
      right(formatMilliseconds(time)),
      left("▇".repeat(Math.max(1, Math.round((BAR * time) / longest)))),
    ]),
  );
  const [heading = "", ...rows] = columns([
    [right("multiples of"), right("time")],
    ...relative.map(({ multiple: each, time }) => [right(String(each)), right(formatPercent(100 * time))]),
  ]);
  const conditions = `3 x 3, three in a row, batch 1, ONNX Runtime ${onnxRuntimeVersion()}`;
  const advised = colours.bold(String(multiple));
  return [
    "",
    `  ${colours.bold("Convolutions by width")}  ${colours.dim(conditions)}`,
    "",
    ...bars,
    "",
    `  ${colours.dim("total time of all layers if widths are rounded up, relative to the widths as they are")}`,
    colours.dim(heading),
    ...rows,
    "",
    `  Keep widths at multiples of ${advised}: --round ${multiple}, or --round auto, which makes this measurement`,
  ];
}

export async function benchWidths(context: Context, { threads, runs, json }: WidthBenchOptions): Promise<void> {
  const times = await withStatusLine(context, (show) =>
    measureWidths({
      ...optional({ threads, rounds: runs }),
      onRound: (round, rounds) =>
        show("timing", round < 0 ? "warming up" : `timing layers of 64 widths: round ${round + 1} of ${rounds}`),
    }),
  );
  if (json === true) return printJson(context, { onnxRuntime: onnxRuntimeVersion(), ...times });
  for (const line of widthLines(times, context.stdout)) context.stdout.print(line);
}

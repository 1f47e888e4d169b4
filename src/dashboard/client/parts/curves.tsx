/** The curves of one run, or of two in the same charts. Sliders choose the range of epochs that all charts show. */
import { useMemo, useState } from "preact/hooks";
import { optional } from "../../../core/optional.ts";
import type { Digest } from "../../run-summary.ts";
import { comparedPlots, plotsOfRun } from "../progress.ts";
import { Chart, type Stretch } from "./chart.tsx";

export interface Named {
  readonly name: string;
  readonly digest: Digest;
}

export interface CurvesProps {
  readonly runs: readonly Named[];
  /** Increases when a digest changes, because digests are changed in place. */
  readonly version: number;
  /** An epoch to mark. */
  readonly mark?: number;
}

export function Curves({ runs, version, mark }: CurvesProps) {
  const end = Math.max(1, ...runs.map(({ digest }) => digest.started?.epochs ?? 1));
  const [stretch, setStretch] = useState<Stretch>();
  const [only] = runs;
  const names = runs.map(({ name }) => name).join();
  const plots = useMemo(
    () => (runs.length === 1 && only !== undefined ? plotsOfRun(only.digest) : comparedPlots(runs)),
    [names, version, only?.digest],
  );
  const { from, to } = stretch ?? { from: 0, to: end };
  const least = end / 200;
  const slide = (part: Partial<Stretch>): void => {
    const next = { from, to, ...part };
    if (next.to - next.from >= least) setStretch(next);
  };
  return (
    <>
      <div class="zoom">
        {(["from", "to"] as const).map((side) => (
          <label key={side}>
            {side} epoch
            <input
              type="range"
              min="0"
              max={end}
              step="any"
              value={side === "from" ? from : to}
              aria-valuetext={`epoch ${(side === "from" ? from : to).toFixed(1)}`}
              onInput={(event) => slide({ [side]: event.currentTarget.valueAsNumber })}
            />
          </label>
        ))}
        <button type="button" disabled={stretch === undefined} onClick={() => setStretch(undefined)}>
          whole run
        </button>
        <span class="soft">or drag over a chart</span>
      </div>
      <div class="charts">
        {plots.map((plot) => (
          <Chart key={plot.title} plot={plot} stretch={{ from, to }} onStretch={setStretch} {...optional({ mark })} />
        ))}
      </div>
    </>
  );
}

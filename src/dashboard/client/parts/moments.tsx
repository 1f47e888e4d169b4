/** The network at a step of the run. A slider chooses the step. */
import { useMemo, useState } from "preact/hooks";
import { formatCount, formatPercent, percentOf } from "../../../report/format.ts";
import type { Levels } from "../../../report/heat.ts";
import { marginsAfter } from "../../../report/margins.ts";
import { viewAt } from "../../../report/network-at-step.ts";
import { aliveAt } from "../../changes.ts";
import type { DrawnNetwork } from "../../protocol.ts";
import { type Digest, structureCount } from "../../run-summary.ts";
import { bytesOf } from "./heat.tsx";
import type { Margins } from "./network-parts.tsx";
import { Tree } from "./tree.tsx";

export interface MomentsProps {
  readonly network: DrawnNetwork;
  readonly digest: Digest;
  /** Undefined until they arrive. */
  readonly levels: Levels | undefined;
}

export function Moments({ network, digest, levels }: MomentsProps) {
  const end = digest.step;
  const [chosen, choose] = useState<number>();
  const step = Math.min(chosen ?? end, end);
  const isEnd = step >= end;
  const count = structureCount(digest);
  const changes = digest.changes.entries.length;
  const alive = useMemo(() => aliveAt(digest.changes, count, step), [changes, count, step]);
  const { skeleton, cut } = network;
  const key = alive.join("");
  const view = useMemo(() => (isEnd && cut !== null ? cut : viewAt(skeleton, alive)), [key, isEnd, cut, skeleton]);
  const epochs = step / Math.max(1, digest.started?.stepsPerEpoch ?? 1);
  const bytes = useMemo(() => bytesOf(levels?.margins ?? ""), [levels]);
  const margins = useMemo((): Margins => {
    const now = levels === undefined ? undefined : marginsAfter(levels, bytes, Math.floor(epochs));
    return { now, cut: digest.margins };
  }, [levels, bytes, Math.floor(epochs), digest.margins]);
  const living = alive.reduce((sum, one) => sum + one, 0);
  const macs = view.layers.reduce((sum, { macsAfter }) => sum + macsAfter, 0);
  const whole = view.layers.reduce((sum, { macsBefore }) => sum + macsBefore, 0);
  return (
    <>
      <div class="moments">
        <label>
          step
          <input
            type="range"
            min="0"
            max={end}
            step="1"
            value={step}
            aria-valuetext={`after epoch ${epochs.toFixed(1)}`}
            onInput={({ currentTarget: { valueAsNumber } }) => choose(valueAsNumber >= end ? undefined : valueAsNumber)}
          />
        </label>
        {/* Separate elements of fixed places, so that growing numbers move nothing. */}
        <span class="when">
          <span>{`epoch ${epochs.toFixed(1)}`}</span>
          <span>{`${formatCount(living)} of ${formatCount(count)} alive`}</span>
          <span>{`about ${formatPercent(percentOf(macs, whole))} of the MACs`}</span>
        </span>
        <button type="button" disabled={isEnd} onClick={() => choose(undefined)}>
          {digest.finished === null ? "now" : "end"}
        </button>
      </div>
      <Tree view={view} margins={margins} />
    </>
  );
}

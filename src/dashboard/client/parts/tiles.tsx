/** The present figures of a run. */
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPercent,
  formatQuantity,
  percentOf,
} from "../../../report/format.ts";
import type { RunDetail } from "../../protocol.ts";
import { structureCount } from "../../run-summary.ts";

function Tile({ name, value, note }: { readonly name: string; readonly value: string; readonly note: string }) {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd>
        <b>{value}</b> <span class="soft">{note}</span>
      </dd>
    </div>
  );
}

export function Tiles({ detail: { digest, state } }: { readonly detail: RunDetail }) {
  const { started, finished, epochs, curve, etaSeconds } = digest;
  const full = started?.cost.macs ?? 0;
  const macs = finished?.after.macs ?? curve.columns.macs.at(-1) ?? full;
  const accuracy = finished?.after.accuracy ?? epochs.at(-1)?.testAccuracy;
  const alive = curve.columns.alive.at(-1) ?? structureCount(digest);
  const speed = curve.columns.imagesPerSecond.at(-1);
  const trained = epochs.reduce((sum, { seconds }) => sum + seconds, 0);
  const isTraining = state === "training" && finished === null;
  return (
    <dl class="tiles">
      <Tile
        name="Test accuracy"
        value={accuracy === undefined ? "–" : formatPercent(accuracy)}
        note={`epoch ${epochs.at(-1)?.epoch ?? 0} of ${started?.epochs ?? 0}`}
      />
      {finished?.int8 !== undefined && (
        <Tile
          name="On 8-bit integers"
          value={formatPercent(finished.int8.accuracy)}
          note={`${formatBytes(finished.int8.bytes)} of ${formatBytes(finished.before.bytes)}`}
        />
      )}
      <Tile
        name="MACs left"
        value={formatPercent(percentOf(macs, full))}
        note={`${formatQuantity(macs)} of ${formatQuantity(full)}`}
      />
      <Tile
        name="Structures alive"
        value={formatCount(Math.round(alive))}
        note={`of ${formatCount(structureCount(digest))}`}
      />
      <Tile name="Speed" value={speed === undefined ? "–" : formatCount(Math.round(speed))} note="images/s" />
      <Tile
        name={isTraining ? "Time to go" : "Trained for"}
        value={isTraining ? formatDuration(etaSeconds) : formatDuration(trained)}
        note={`step ${formatCount(digest.step)} of ${formatCount(started?.totalSteps ?? 0)}`}
      />
    </dl>
  );
}

/** One run: how it stands, its network at any moment, its factors, its curves; and the means to stop it and to go on. */
import { useEffect, useMemo, useState } from "preact/hooks";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPercent,
  formatQuantity,
  formatSmall,
  percentOf,
  plural,
} from "../../../report/format.ts";
import { viewAt } from "../../../report/moment.ts";
import { exposedWords, ranksWords, waitedFor, waitedWords } from "../../../report/ranks.ts";
import { aliveAt } from "../../changes.ts";
import { type Digest, structureCount } from "../../digest.ts";
import type { DrawnNetwork, RunDetail } from "../../protocol.ts";
import { api, fileAddress } from "../api.ts";
import { useAnswer, useRun } from "../follow.ts";
import { Certificate } from "../parts/certificate.tsx";
import { Curves } from "../parts/curves.tsx";
import { HeatMap } from "../parts/heat.tsx";
import { StateBadge } from "../parts/state.tsx";
import { Tree } from "../parts/tree.tsx";
import { addresses } from "../router.ts";

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

function Tiles({ detail: { digest, state } }: { readonly detail: RunDetail }) {
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

function Controls({ detail }: { readonly detail: RunDetail }) {
  const [message, tell] = useState<string>();
  const { name, state, isOurs, files, digest } = detail;
  const act = (doing: Promise<unknown>, done: string): void => {
    tell(done);
    doing.catch((error: Error) => tell(error.message));
  };
  const has = (file: string): boolean => files.some((one) => one.name === file);
  const canResume = state !== "training" && digest.finished === null;
  return (
    <div class="controls">
      {state === "training" && (
        <button
          type="button"
          disabled={!isOurs}
          title={isOurs ? "" : "It was started elsewhere: stop it there, with Ctrl-C"}
          onClick={() => act(api.stop(name), "stopping after this step")}
        >
          Stop
        </button>
      )}
      {canResume && (
        <button type="button" onClick={() => act(api.resume(name), "going on")}>
          Resume
        </button>
      )}
      {has("compact.onnx") && (
        <a class="button" href={addresses.try(name)}>
          Try it
        </a>
      )}
      {files
        .filter(({ name: file }) => /\.(onnx|html)$/.test(file))
        .map(({ name: file, bytes }) => (
          <a
            key={file}
            href={fileAddress(name, file)}
            {...(file.endsWith(".onnx") ? { download: `${name}-${file}` } : { target: "_blank" })}
          >
            {file} <span class="soft">{formatBytes(bytes)}</span>
          </a>
        ))}
      <span role="status" class="soft">
        {message}
      </span>
    </div>
  );
}

/** Steps that the slider stops at: everything that is known to have changed the network. */
function Moments({ network, digest }: { readonly network: DrawnNetwork; readonly digest: Digest }) {
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
  const living = alive.reduce((sum, one) => sum + one, 0);
  const macs = view.layers.reduce((sum, { macsAfter }) => sum + macsAfter, 0);
  const whole = view.layers.reduce((sum, { macsBefore }) => sum + macsBefore, 0);
  return (
    <>
      <div class="moments">
        <label>
          moment
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
        <span class="when">
          epoch {epochs.toFixed(1)}: <b>{formatCount(living)}</b> of {formatCount(count)} alive, about{" "}
          {formatPercent(percentOf(macs, whole))} of the MACs
        </span>
        <button type="button" disabled={isEnd} onClick={() => choose(undefined)}>
          {digest.finished === null ? "now" : "end"}
        </button>
      </div>
      <Tree view={view} margins={digest.margins} />
    </>
  );
}

function Notes({ digest }: { readonly digest: Digest }) {
  const { shrinks, notices, ending, cut } = digest;
  const notes = [...new Set([...(cut?.notes ?? []), ...notices.map(({ message }) => message)])];
  if (shrinks.length === 0 && notes.length === 0 && ending === null) return null;
  return (
    <section>
      <h2>What happened</h2>
      <ul class="notes">
        {shrinks.map(({ step, epoch, before, after, structures, margin, speed }) => (
          <li key={step}>
            After epoch {epoch}, {plural(structures, "structure")} cut while training: {formatQuantity(before.macs)} →{" "}
            {formatQuantity(after.macs)} MACs
            {margin !== null && `, lowest margin ${formatSmall(margin)}`}
            {speed !== null &&
              `, ${formatCount(Math.round(speed.before))} → ${formatCount(Math.round(speed.after))} images/s`}
          </li>
        ))}
        {notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
        {ending !== null && <li>{ending.hint}</li>}
      </ul>
    </section>
  );
}

function Ranks({ digest: { communications } }: { readonly digest: Digest }) {
  if (communications.length === 0) return null;
  return (
    <section>
      <h2>Several ranks</h2>
      <p class="lead">
        {ranksWords(communications)}: {exposedWords(communications)}.
      </p>
      <ul class="notes">
        {waitedFor(communications).map((rank) => (
          <li key={`${rank.rank} ${rank.host}`}>The others waited {waitedWords(rank)}</li>
        ))}
      </ul>
    </section>
  );
}

/** Null while the run has not written one, undefined while it is read. */
function useNetwork(detail: RunDetail | undefined, name: string): DrawnNetwork | null | undefined {
  // Written with the first checkpoint, and once more at the end.
  const key =
    detail === undefined
      ? "none"
      : `${detail.digest.epochs.length > 0} ${detail.digest.finished !== null} ${detail.digest.sessions}`;
  return useAnswer(() => api.network(name), key).value;
}

export function RunPage({ name }: { readonly name: string }) {
  const { detail, version, error } = useRun(name);
  const network = useNetwork(detail, name);
  const levels = useAnswer(() => api.levels(name), `${detail?.digest.epochs.length}`).value;
  useEffect(() => {
    document.title = `${name} · Espalier`;
  }, [name]);
  if (detail === undefined) return <p class="lead">{error ?? "Reading the run …"}</p>;
  const { digest, state } = detail;
  const { started } = digest;
  return (
    <>
      <h1>
        {name} <StateBadge state={state} />
      </h1>
      <p class="lead">
        {started === null
          ? "The run has not begun yet."
          : `${started.model} on ${started.dataset.name}, ${formatCount(started.dataset.trainImages)} images, ${started.engine["name"] ?? ""} on ${started.environment["processor"] ?? ""}`}
      </p>
      <Controls detail={detail} />
      <Tiles detail={detail} />
      <section class="tall">
        <h2>The network</h2>
        {network === undefined || network === null ? (
          <p class="soft">{network === null ? "It is drawn once the run has written it." : "Reading it …"}</p>
        ) : (
          <Moments network={network} digest={digest} />
        )}
      </section>
      <section>
        <h2>The run</h2>
        <Curves runs={[{ name, digest }]} version={version} />
      </section>
      <section>
        <h2>Scaling factors over time</h2>
        {levels !== undefined && <HeatMap levels={levels} />}
      </section>
      {digest.certificate !== null && (
        <section>
          <h2>Certificate</h2>
          <Certificate certificate={digest.certificate} />
        </section>
      )}
      <Ranks digest={digest} />
      <Notes digest={digest} />
    </>
  );
}

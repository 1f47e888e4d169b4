/** One run: its state, its network at any step, its factors and curves, and buttons to stop and resume it. */
import { useEffect } from "preact/hooks";
import { formatCount } from "../../../report/format.ts";
import type { Levels } from "../../../report/heat.ts";
import type { DrawnNetwork, RunDetail } from "../../protocol.ts";
import type { Digest } from "../../run-summary.ts";
import { api } from "../api.ts";
import { type Answer, useAnswer, useRun } from "../follow.ts";
import { Certificate } from "../parts/certificate.tsx";
import { Controls } from "../parts/controls.tsx";
import { Curves } from "../parts/curves.tsx";
import { HeatMap } from "../parts/heat.tsx";
import { Moments } from "../parts/moments.tsx";
import { Notes, Ranks } from "../parts/notes.tsx";
import { StateBadge } from "../parts/state.tsx";
import { Tiles } from "../parts/tiles.tsx";

/** The run's network; null until the run has written one, before its first step. It writes another one at the end. */
function useNetwork(detail: RunDetail | undefined, name: string): Answer<DrawnNetwork | null> {
  const key =
    detail === undefined
      ? "none"
      : `${detail.digest.step > 0} ${detail.digest.finished !== null} ${detail.digest.sessions}`;
  return useAnswer(() => api.network(name), key);
}

function leadOf({ started }: Digest): string {
  if (started === null) return "The run has not started yet.";
  const { model, dataset, engine, environment } = started;
  const images = `${formatCount(dataset.trainImages)} images`;
  return `${model} on ${dataset.name}, ${images}, ${engine["name"] ?? ""} on ${environment["processor"] ?? ""}`;
}

interface NetworkProps {
  readonly network: Answer<DrawnNetwork | null>;
  readonly digest: Digest;
  readonly levels: Levels | undefined;
}

function Network({ network: { value, error }, digest, levels }: NetworkProps) {
  if (value === undefined || value === null) {
    return <p class="soft">{error ?? "The network appears as soon as the run has written it."}</p>;
  }
  return <Moments network={value} digest={digest} levels={levels} />;
}

export function RunPage({ name }: { readonly name: string }) {
  const { detail, version, error } = useRun(name);
  const network = useNetwork(detail, name);
  const levels = useAnswer(() => api.levels(name), `${detail?.digest.epochs.length}`).value;
  useEffect(() => {
    document.title = `${name} · Espalier`;
  }, [name]);
  const started = detail?.digest.started;
  // Wait for the network before showing anything below it, because its height is not known yet.
  const isAwaited =
    network.error === undefined &&
    (network.value === undefined || (network.value === null && detail?.state === "training"));
  if (detail === undefined || started === undefined || started === null || isAwaited) {
    return (
      <>
        <h1>
          {name}
          {detail !== undefined && <StateBadge state={detail.state} />}
        </h1>
        <p class="lead">{error ?? (detail === undefined ? "Reading the run …" : leadOf(detail.digest))}</p>
      </>
    );
  }
  const { digest, state } = detail;
  return (
    <>
      <h1>
        {name}
        <StateBadge state={state} />
      </h1>
      <p class="lead">{leadOf(digest)}</p>
      <Controls detail={detail} />
      <Tiles detail={detail} />
      <section>
        <h2>The network</h2>
        <Network network={network} digest={digest} levels={levels} />
      </section>
      <section>
        <h2>The run</h2>
        <Curves runs={[{ name, digest }]} version={version} />
      </section>
      <section>
        <h2>Scaling factors over time</h2>
        <HeatMap levels={levels} isEmpty={started.factors.length === 0} />
      </section>
      <section>
        <h2>Certificate</h2>
        <Certificate certificate={digest.certificate} />
      </section>
      <Ranks digest={digest} />
      <Notes digest={digest} />
    </>
  );
}

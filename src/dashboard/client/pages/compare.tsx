/** Compares two runs: figures, curves, structure, certificates. */
import { useEffect } from "preact/hooks";
import { formatBytes, formatCount, formatMilliseconds, formatPercent, formatQuantity } from "../../../report/format.ts";
import { viewAt } from "../../../report/network-at-step.ts";
import { aliveAt } from "../../changes.ts";
import type { DrawnNetwork, RunDetail } from "../../protocol.ts";
import { structureCount } from "../../run-summary.ts";
import { api } from "../api.ts";
import { useAnswer, useRun } from "../follow.ts";
import { Certificate } from "../parts/certificate.tsx";
import { Curves } from "../parts/curves.tsx";
import { StateBadge } from "../parts/state.tsx";
import { Tree } from "../parts/tree.tsx";
import { addresses } from "../router.ts";

type Figures = readonly (readonly [name: string, value: string])[];

function figuresOf({ digest, files }: RunDetail): Figures {
  const { started, finished, epochs, latency } = digest;
  const cost = finished?.after ?? epochs.at(-1)?.cost;
  const accuracy = finished?.after.accuracy ?? epochs.at(-1)?.testAccuracy;
  const bytes = files.find(({ name }) => name === "compact.onnx")?.bytes;
  const gammas = [...new Set((started?.factors ?? []).map(({ kind, gamma }) => `${kind}s ${gamma}`))];
  return [
    ["network, data", started === null ? "" : `${started.model}, ${started.dataset.name}`],
    ["epochs", `${epochs.length} of ${started?.epochs ?? 0}`],
    ["γ", gammas.slice(0, 4).join(", ")],
    ["test accuracy", accuracy === undefined ? "" : formatPercent(accuracy, 2)],
    ["MACs before", started === null ? "" : formatQuantity(started.cost.macs)],
    ["MACs after", cost === undefined ? "" : formatQuantity(cost.macs)],
    ["parameters after", cost === undefined ? "" : formatCount(cost.parameters)],
    ["compact file", bytes === undefined ? "" : formatBytes(bytes)],
    ["latency after", latency === null ? "" : formatMilliseconds(latency.after.median)],
  ];
}

function structure(detail: RunDetail, { skeleton, cut }: DrawnNetwork) {
  const { digest } = detail;
  const view = cut ?? viewAt(skeleton, aliveAt(digest.changes, structureCount(digest), digest.step));
  return <Tree view={view} margins={{ now: undefined, cut: digest.margins }} />;
}

export function ComparePage({ left, right }: { readonly left: string; readonly right: string }) {
  const runs = [useRun(left), useRun(right)] as const;
  const networks = [useAnswer(() => api.network(left), left), useAnswer(() => api.network(right), right)] as const;
  useEffect(() => {
    document.title = `${left} and ${right} · Espalier`;
  }, [left, right]);
  const details = runs.map(({ detail }) => detail);
  const [one, other] = details;
  // Wait for the pictures of both networks, so that nothing moves when they appear.
  const areDrawn = networks.every(({ value, error }) => value !== undefined || error !== undefined);
  if (one === undefined || other === undefined || !areDrawn) {
    return (
      <>
        <h1>Two runs</h1>
        <p class="lead">{runs.find(({ error }) => error !== undefined)?.error ?? "Reading the runs …"}</p>
      </>
    );
  }
  const figures = [figuresOf(one), figuresOf(other)] as const;
  const both = [one, other] as const;
  return (
    <>
      <h1>Two runs</h1>
      <div class="card scroll">
        <table class="compared">
          <thead>
            <tr>
              <td />
              {both.map(({ name, state }) => (
                <th key={name} scope="col">
                  <a href={addresses.run(name)}>{name}</a> <StateBadge state={state} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {figures[0].map(([name, value], index) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{value}</td>
                <td>{figures[1][index]?.[1]}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <section>
        <h2>Curves</h2>
        <Curves
          runs={both.map(({ name, digest }) => ({ name, digest }))}
          version={runs.reduce((sum, { version }) => sum + version, 0)}
        />
      </section>
      <section>
        <h2>Structure</h2>
        <div class="sides">
          {both.map((detail, index) => {
            const { value: network, error } = networks[index] ?? {};
            return (
              <div key={detail.name}>
                <h3>{detail.name}</h3>
                {network === undefined || network === null ? (
                  <p class="soft">{error ?? "The network appears as soon as the run has written it."}</p>
                ) : (
                  structure(detail, network)
                )}
              </div>
            );
          })}
        </div>
      </section>
      <section>
        <h2>Certificates</h2>
        <div class="sides">
          {both.map(({ name, digest }) => (
            <div key={name}>
              <h3>{name}</h3>
              <Certificate certificate={digest.certificate} />
            </div>
          ))}
        </div>
      </section>
    </>
  );
}

/**
 * Measures the device that shows the page: times the layers of a network in this browser, and offers the latency table
 * as a file. Opened on a phone, it gives the phone's table.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { LatencyTable } from "../../../latency/table.ts";
import { formatDuration, formatMilliseconds, formatPercent } from "../../../report/format.ts";
import type { DeviceTable } from "../../protocol.ts";
import type { Progress } from "../../timing.ts";
import { api, type NetworkChoice } from "../api.ts";
import { useAnswer } from "../follow.ts";
import { DeviceMeasurement, describeDevice } from "../measure-device.ts";
import { addresses } from "../router.ts";
import { useBackend } from "../try-networks.ts";
import type { Backend } from "../try-protocol.ts";

const FILE = "phone.json";
const DEFAULT_MODEL = "resnet-20";

interface Measuring {
  readonly choice: NetworkChoice;
  readonly started: number;
  readonly progress?: Progress;
}

type State =
  | { readonly kind: "ready"; readonly error?: string }
  | ({ readonly kind: "measuring" } & Measuring)
  | { readonly kind: "done"; readonly choice: NetworkChoice; readonly made: DeviceTable };

/** What is happening, in words. */
function progressWords({ progress, started }: Measuring): string {
  if (progress === undefined) return "The server prepares the layers …";
  const { done, of, again } = progress;
  if (again === "hidden") return "This page was hidden meanwhile, so the layer is timed again. Keep the page in sight.";
  if (again === "noisy") return "The times of this layer differ too much, so it is timed again.";
  if (done < 3) return `${done} of ${of} timed`;
  const left = ((performance.now() - started) / 1000 / done) * (of - done);
  return `${done} of ${of} timed, about ${formatDuration(left)} left`;
}

function MeasuringCard({ measuring, onCancel }: { readonly measuring: Measuring; readonly onCancel: () => void }) {
  const { progress } = measuring;
  return (
    <div class="card measuring">
      <h2>Measuring</h2>
      <progress max={progress?.of ?? 1} value={progress?.done ?? 0} aria-label="layers timed" />
      <p>{progressWords(measuring)}</p>
      <p class="soft">{progress?.name ?? " "}</p>
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
    </div>
  );
}

/** The kinds of layers that take the longest at the network's own widths. */
function slowest({ layers }: LatencyTable): readonly { readonly layer: string; readonly milliseconds: number }[] {
  return layers
    .map(({ layer, milliseconds }) => ({ layer, milliseconds: milliseconds.at(-1)?.at(-1) ?? 0 }))
    .sort((a, b) => b.milliseconds - a.milliseconds)
    .slice(0, 6);
}

function TableCard({ choice, made }: { readonly choice: NetworkChoice; readonly made: DeviceTable }) {
  const [address, setAddress] = useState("");
  useEffect(() => {
    const url = URL.createObjectURL(new Blob([made.json], { type: "application/json" }));
    setAddress(url);
    return () => URL.revokeObjectURL(url);
  }, [made]);
  const table = JSON.parse(made.json) as LatencyTable;
  const source = choice.kind === "model" ? choice.name : `runs/${choice.name}/network.onnx`;
  const command = `espalier train ${source} --budget 50%-latency --latency-table ${FILE}`;
  return (
    <section class="card measured" aria-label="The table">
      <h2>{formatMilliseconds(made.milliseconds)} for one image</h2>
      <p>
        <a class="button" href={address} download={FILE}>
          Download {FILE}
        </a>
      </p>
      <p>Copy the file to where you train, and prune for this device:</p>
      <pre tabIndex={0}>
        <code>{command}</code>
      </pre>
      <dl>
        <dt>device</dt>
        <dd>{table.device}</dd>
        <dt>runtime</dt>
        <dd>
          {table.runtime} {table.runtimeVersion}, {table.provider === "webgpu" ? "WebGPU" : "WebAssembly"},{" "}
          {table.threads === 1 ? "1 thread" : `${table.threads} threads`}
        </dd>
        <dt>spread</dt>
        <dd>{formatPercent(100 * table.spread)}</dd>
        <dt>outside the layers</dt>
        <dd>{formatMilliseconds(table.overhead)}</dd>
        <dt>in the network</dt>
        <dd>
          the layers take {formatPercent(100 * made.inNetwork, 0)} of the sum of their separate times; the table is
          scaled to that
        </dd>
      </dl>
      <h3>The slowest of {table.layers.length} kinds of layers</h3>
      <table>
        <tbody>
          {slowest(table).map(({ layer, milliseconds }) => (
            <tr key={layer}>
              <th scope="row">{layer}</th>
              <td class="n">{formatMilliseconds(milliseconds)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** `run`: the run whose network is measured; empty for a model of the zoo. */
export function MeasurePage({ run }: { readonly run: string }) {
  const { value: options } = useAnswer(api.options, "options");
  const { hasWebGpu } = useBackend();
  const [model, setModel] = useState(DEFAULT_MODEL);
  const [backend, setBackend] = useState<Backend>("wasm");
  const [device, setDevice] = useState("");
  const [state, setState] = useState<State>({ kind: "ready" });
  const present = useRef<DeviceMeasurement | undefined>(undefined);
  const end = (): void => {
    present.current?.close();
    present.current = undefined;
  };
  useEffect(() => {
    document.title = "Measure this device · Espalier";
    void describeDevice().then(setDevice);
    return end;
  }, []);
  const measure = async (): Promise<void> => {
    const choice: NetworkChoice = run === "" ? { kind: "model", name: model } : { kind: "run", name: run };
    const measurement = new DeviceMeasurement(backend);
    present.current = measurement;
    const show = (next: State): void => {
      if (present.current === measurement) setState(next);
    };
    show({ kind: "measuring", choice, started: performance.now() });
    try {
      const plan = await api.timingPlan(choice);
      const started = performance.now();
      const made = await measurement.measure(plan, choice, device.trim() || "a browser", (progress) =>
        show({ kind: "measuring", choice, started, progress }),
      );
      show({ kind: "done", choice, made });
    } catch (cause) {
      show({ kind: "ready", error: cause instanceof Error ? cause.message : String(cause) });
    }
    if (present.current === measurement) end();
  };
  const cancel = (): void => {
    end();
    setState({ kind: "ready" });
  };
  const isMeasuring = state.kind === "measuring";
  return (
    <>
      <h1>Measure this device</h1>
      <p class="lead">
        This browser times the layers of a network at several widths. The result is a latency table. With it, any
        machine can prune the network for this device. To measure a phone, open this page on the phone.
      </p>
      <form
        class="filters measure"
        onSubmit={(event) => {
          event.preventDefault();
          void measure();
        }}
      >
        {run === "" ? (
          <label>
            network
            <select
              value={model}
              disabled={isMeasuring}
              onChange={({ currentTarget }) => setModel(currentTarget.value)}
            >
              {(options?.models ?? [DEFAULT_MODEL]).map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        ) : (
          <p class="of-run">
            the network of <a href={addresses.run(run)}>{run}</a>
          </p>
        )}
        <label>
          run with
          <select
            value={backend}
            disabled={isMeasuring}
            onChange={({ currentTarget }) => setBackend(currentTarget.value === "webgpu" ? "webgpu" : "wasm")}
          >
            <option value="wasm">WebAssembly</option>
            <option value="webgpu" disabled={!hasWebGpu}>
              WebGPU{hasWebGpu ? "" : " (not in this browser)"}
            </option>
          </select>
        </label>
        <label class="device">
          name of the device
          <input
            type="text"
            value={device}
            maxLength={200}
            disabled={isMeasuring}
            onInput={({ currentTarget }) => setDevice(currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" disabled={isMeasuring}>
          Measure
        </button>
      </form>
      <p class="soft">Keep this page in sight until the end, and let nothing else run: other work is measured too.</p>
      <p role="alert" class="bad">
        {state.kind === "ready" ? state.error : ""}
      </p>
      <div role="status">{state.kind === "done" ? "The table is ready." : ""}</div>
      {state.kind === "measuring" && <MeasuringCard measuring={state} onCancel={cancel} />}
      {state.kind === "done" && <TableCard choice={state.choice} made={state.made} />}
    </>
  );
}

/** All runs of the folder: a table with filters, accuracy against cost, and a choice of two runs to compare. */
import { useEffect, useState } from "preact/hooks";
import { formatMilliseconds, formatPercent, formatQuantity, percentOf } from "../../../report/format.ts";
import type { RunSummary } from "../../protocol.ts";
import { api } from "../api.ts";
import { Pareto } from "../parts/pareto.tsx";
import { StateBadge } from "../parts/state.tsx";
import { addresses, go } from "../router.ts";

const REFRESH_MILLISECONDS = 3000;

interface Filters {
  readonly text: string;
  readonly model: string;
  readonly dataset: string;
  readonly state: string;
}

function useRuns(): { readonly runs: readonly RunSummary[] | undefined; readonly error: string | undefined } {
  const [runs, setRuns] = useState<readonly RunSummary[]>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    const read = async (): Promise<void> => {
      try {
        setRuns((await api.runs()).runs);
        setError(undefined);
      } catch (cause) {
        setError(cause instanceof Error ? cause.message : String(cause));
      }
    };
    void read();
    const timer = setInterval(() => !document.hidden && void read(), REFRESH_MILLISECONDS);
    return () => clearInterval(timer);
  }, []);
  return { runs, error };
}

function matches({ name, model, dataset, state }: RunSummary, filters: Filters): boolean {
  return (
    `${name} ${model} ${dataset}`.toLowerCase().includes(filters.text.toLowerCase()) &&
    (filters.model === "" || model === filters.model) &&
    (filters.dataset === "" || dataset === filters.dataset) &&
    (filters.state === "" || state === filters.state)
  );
}

function Choice({
  label,
  value,
  all,
  onChange,
}: {
  readonly label: string;
  readonly value: string;
  readonly all: readonly string[];
  readonly onChange: (value: string) => void;
}) {
  return (
    <label>
      {label}
      <select value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
        <option value="">all</option>
        {[...new Set(all)].sort().map((one) => (
          <option key={one}>{one}</option>
        ))}
      </select>
    </label>
  );
}

type SortKey = "name" | "model" | "created" | "accuracy" | "left" | "parameters" | "latency";

const sortValues: Readonly<Record<SortKey, (run: RunSummary) => number | string>> = {
  name: ({ name }) => name,
  model: ({ model }) => model,
  created: ({ created }) => created ?? "",
  accuracy: ({ accuracy }) => accuracy ?? -1,
  left: ({ before, after }) => percentOf(after?.macs ?? 0, before?.macs ?? 0),
  parameters: ({ after }) => after?.parameters ?? 0,
  latency: ({ latency }) => latency ?? Number.POSITIVE_INFINITY,
};

const columns: readonly (readonly [SortKey, string, isNumber: boolean])[] = [
  ["name", "run", false],
  ["model", "network, data", false],
  ["created", "started", false],
  ["accuracy", "accuracy", true],
  ["left", "MACs left", true],
  ["parameters", "parameters", true],
  ["latency", "latency", true],
];

function Row({
  run,
  isChosen,
  onChoose,
}: {
  readonly run: RunSummary;
  readonly isChosen: boolean;
  readonly onChoose: (isChosen: boolean) => void;
}) {
  const { name, state, model, dataset, created, epoch, epochs, accuracy, before, after, latency } = run;
  return (
    <tr>
      <td>
        <input
          type="checkbox"
          aria-label={`compare ${name}`}
          checked={isChosen}
          onChange={({ currentTarget }) => onChoose(currentTarget.checked)}
        />
      </td>
      <th scope="row">
        <a href={addresses.run(name)}>{name}</a> <StateBadge state={state} />
        {state === "training" && (
          <progress max={Math.max(1, epochs)} value={epoch} aria-label={`epoch ${epoch} of ${epochs}`} />
        )}
      </th>
      <td class="soft">
        {model}
        <br />
        {dataset}
      </td>
      <td class="soft">{created === null ? "" : created.slice(0, 16).replace("T", " ")}</td>
      <td class="n now">{accuracy === null ? "" : formatPercent(accuracy)}</td>
      <td class="n">
        {before === null || after === null ? "" : formatPercent(percentOf(after.macs, before.macs))}
        <br />
        <span class="soft">{after === null ? "" : formatQuantity(after.macs)}</span>
      </td>
      <td class="n">{after === null ? "" : formatQuantity(after.parameters)}</td>
      <td class="n">{latency === null ? "" : formatMilliseconds(latency)}</td>
    </tr>
  );
}

export function RunsPage() {
  const { runs, error } = useRuns();
  const [filters, setFilters] = useState<Filters>({ text: "", model: "", dataset: "", state: "" });
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const [sort, setSort] = useState<{ readonly key: SortKey; readonly isDown: boolean }>({
    key: "created",
    isDown: true,
  });
  useEffect(() => {
    document.title = "Runs · Espalier";
  }, []);
  if (runs === undefined) {
    return (
      <>
        <h1>Runs</h1>
        <p class="lead">{error ?? "Reading the runs …"}</p>
      </>
    );
  }
  if (runs.length === 0) {
    return (
      <>
        <h1>No runs yet</h1>
        <p class="lead">
          <a href={addresses.newRun}>Start a run here</a>, or with{" "}
          <code>espalier train resnet-20 --gamma neurons=0.0016,blocks=0.02 --epochs 10</code>.
        </p>
      </>
    );
  }
  const change = (part: Partial<Filters>): void => setFilters({ ...filters, ...part });
  const value = sortValues[sort.key];
  const shown = runs
    .filter((run) => matches(run, filters))
    .sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (sort.isDown ? -1 : 1));
  const [left = "", right = ""] = chosen;
  return (
    <>
      <h1>Runs</h1>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          search
          <input
            type="search"
            value={filters.text}
            onInput={({ currentTarget }) => change({ text: currentTarget.value })}
          />
        </label>
        <Choice
          label="network"
          value={filters.model}
          all={runs.map(({ model }) => model)}
          onChange={(model) => change({ model })}
        />
        <Choice
          label="data"
          value={filters.dataset}
          all={runs.map(({ dataset }) => dataset)}
          onChange={(dataset) => change({ dataset })}
        />
        <Choice
          label="state"
          value={filters.state}
          all={runs.map(({ state }) => state)}
          onChange={(state) => change({ state })}
        />
        <button type="button" disabled={chosen.length !== 2} onClick={() => go(addresses.compare(left, right))}>
          Compare {chosen.length} of 2
        </button>
        <span class="soft" role="status">
          {shown.length} of {runs.length} shown
        </span>
      </form>
      <div class="scroll card" tabIndex={0} role="region" aria-label="Runs">
        <table class="runs">
          <thead>
            <tr>
              <td />
              {columns.map(([key, name, isNumber]) => (
                <th
                  key={key}
                  scope="col"
                  class={isNumber ? "n" : ""}
                  aria-sort={sort.key !== key ? "none" : sort.isDown ? "descending" : "ascending"}
                >
                  <button
                    type="button"
                    class="plain"
                    onClick={() => setSort({ key, isDown: sort.key === key ? !sort.isDown : isNumber })}
                  >
                    {name}
                    <span aria-hidden="true">{sort.key !== key ? "" : sort.isDown ? " ↓" : " ↑"}</span>
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((run) => (
              <Row
                key={run.name}
                run={run}
                isChosen={chosen.includes(run.name)}
                onChoose={(isChosen) =>
                  setChosen([...chosen.filter((name) => name !== run.name), ...(isChosen ? [run.name] : [])].slice(-2))
                }
              />
            ))}
          </tbody>
        </table>
      </div>
      <section>
        <h2>Accuracy against cost</h2>
        <Pareto runs={shown} />
      </section>
    </>
  );
}

/** A run asked for here: the options of `espalier train`. The server checks them by the schema that checks the command line's. */
import { useEffect, useState } from "preact/hooks";
import type { StartedRun } from "../../protocol.ts";
import { api } from "../api.ts";
import { useAnswer } from "../follow.ts";
import { addresses, go } from "../router.ts";

interface Field {
  readonly key: string;
  readonly label: string;
  readonly hint: string;
  readonly kind: "number" | "text" | "choice" | "switch";
  readonly choices?: readonly string[];
  readonly value?: string;
  readonly isNeeded?: boolean;
}

const groups: readonly { readonly title: string; readonly fields: readonly Field[] }[] = [
  {
    title: "What is selected",
    fields: [
      {
        key: "gammaNeurons",
        label: "γ of neurons",
        hint: "one factor an output channel; empty for none",
        kind: "number",
        value: "0.0016",
      },
      { key: "gammaGroups", label: "γ of groups", hint: "of grouped convolutions", kind: "number" },
      { key: "gammaBlocks", label: "γ of blocks", hint: "one factor a residual branch", kind: "number" },
      { key: "gammaStreams", label: "γ of streams", hint: "one factor a channel of a residual stream", kind: "number" },
      {
        key: "gammaBy",
        label: "γ shared out by",
        hint: "what a structure costs",
        kind: "choice",
        choices: ["none", "macs", "parameters"],
      },
      { key: "round", label: "widths at multiples of", hint: "default 1", kind: "number" },
      {
        key: "patience",
        label: "patience",
        hint: "epochs at zero before a cut while training; default 1",
        kind: "number",
      },
      { key: "shrink", label: "cut while training", hint: "", kind: "switch" },
    ],
  },
  {
    title: "How it is trained",
    fields: [
      { key: "batch", label: "batch", hint: "images a step; default 128", kind: "number" },
      {
        key: "schedule",
        label: "schedule",
        hint: "of the learning rate",
        kind: "choice",
        choices: ["one-cycle", "cosine", "step"],
      },
      { key: "learningRate", label: "learning rate", hint: "its peak; default 0.2, 0.1 for step", kind: "number" },
      { key: "momentum", label: "momentum", hint: "default 0.9", kind: "number" },
      { key: "weightDecay", label: "weight decay", hint: "default 0.0005", kind: "number" },
      { key: "seed", label: "seed", hint: "default 1", kind: "number" },
      { key: "limit", label: "limit", hint: "use only the first training images", kind: "number" },
      { key: "augment", label: "augment images", hint: "", kind: "switch" },
    ],
  },
  {
    title: "Where and with what",
    fields: [
      { key: "engine", label: "engine", hint: "reference is slow", kind: "choice", choices: ["onednn", "reference"] },
      { key: "threads", label: "threads", hint: "default: all cores", kind: "number" },
      {
        key: "precision",
        label: "precision",
        hint: "of the training steps",
        kind: "choice",
        choices: ["f32", "bf16", "auto"],
      },
      { key: "latency", label: "time the networks at the end", hint: "", kind: "switch" },
    ],
  },
];

const first: readonly Field[] = [
  {
    key: "model",
    label: "network",
    hint: "a name, or an ONNX file of your own",
    kind: "text",
    value: "resnet-20",
    isNeeded: true,
  },
  {
    key: "data",
    label: "data",
    hint: "cifar10, a folder, name:folder, or a CSV",
    kind: "text",
    value: "cifar10",
    isNeeded: true,
  },
  {
    key: "epochs",
    label: "epochs",
    hint: "passes over the training images",
    kind: "number",
    value: "10",
    isNeeded: true,
  },
  { key: "name", label: "name of the run", hint: "default: network and data", kind: "text" },
];

function Input({ field, list }: { readonly field: Field; readonly list?: string }) {
  const { key, label, hint, kind, choices, value, isNeeded } = field;
  const about = hint === "" ? {} : { "aria-describedby": `${key}-hint` };
  if (kind === "switch") {
    return (
      <label class="switch">
        <input type="checkbox" name={key} defaultChecked /> {label}
      </label>
    );
  }
  return (
    <div class="field">
      <label for={key}>{label}</label>
      {choices === undefined ? (
        <input
          id={key}
          name={key}
          type="text"
          inputMode={kind === "number" ? "decimal" : "text"}
          defaultValue={value}
          required={isNeeded === true}
          autocomplete="off"
          {...(list === undefined ? {} : { list })}
          {...about}
        />
      ) : (
        <select id={key} name={key} {...about}>
          {choices.map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
        </select>
      )}
      {hint !== "" && (
        <small id={`${key}-hint`} class="soft">
          {hint}
        </small>
      )}
    </div>
  );
}

/** What was filled in; numbers that are none are sent as they are, for the server to say so. */
function valuesOf(form: HTMLFormElement): Record<string, unknown> {
  const data = new FormData(form);
  const all = [...first, ...groups.flatMap(({ fields }) => fields)];
  return Object.fromEntries(
    all.flatMap(({ key, kind }): [string, unknown][] => {
      if (kind === "switch") return [[key, data.has(key)]];
      const text = String(data.get(key) ?? "").trim();
      if (text === "") return [];
      return [[key, kind === "number" && !Number.isNaN(Number(text)) ? Number(text) : text]];
    }),
  );
}

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Until the run has begun, or has failed to. */
async function awaitStart(started: StartedRun): Promise<StartedRun> {
  let now = started;
  while (now.state === "starting") {
    await wait(300);
    now = await api.started(now.name);
  }
  return now;
}

export function NewRunPage() {
  const options = useAnswer(api.options, "once").value;
  const [message, tell] = useState<{ readonly text: string; readonly isError: boolean }>();
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    document.title = "New run · Espalier";
  }, []);
  const submit = async (form: HTMLFormElement): Promise<void> => {
    setBusy(true);
    tell({ text: "starting; data that is not there yet is fetched first …", isError: false });
    try {
      const { name, state, message: reason } = await awaitStart(await api.start(valuesOf(form)));
      if (state === "failed") tell({ text: reason ?? "The run ended before it began", isError: true });
      else go(addresses.run(name));
    } catch (error) {
      tell({ text: error instanceof Error ? error.message : String(error), isError: true });
    }
    setBusy(false);
  };
  return (
    <>
      <h1>New run</h1>
      <p class="lead">
        One pass that trains a network and finds what of it is not needed. The options are those of espalier train.
      </p>
      <form
        class="new-run"
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <div class="fields">
          {first.map((field) => (
            <Input
              key={field.key}
              field={field}
              {...(field.key === "model" ? { list: "models" } : field.key === "data" ? { list: "datasets" } : {})}
            />
          ))}
        </div>
        <datalist id="models">
          {options?.models.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <datalist id="datasets">
          {options?.datasets.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        {groups.map(({ title, fields }) => (
          <fieldset key={title}>
            <legend>{title}</legend>
            <div class="fields">
              {fields.map((field) => (
                <Input key={field.key} field={field} />
              ))}
            </div>
          </fieldset>
        ))}
        <button type="submit" class="primary" disabled={isBusy}>
          Start
        </button>
        <p role="alert" class={message?.isError === true ? "bad" : "soft"}>
          {message?.text}
        </p>
      </form>
    </>
  );
}

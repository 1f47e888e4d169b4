/**
 * The form for a new run, with the options of `espalier train`. The server checks them with the same schema as the
 * command line.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { optional } from "../../../core/optional.ts";
import type { Field, FieldGroup } from "../../fields.ts";
import type { FormOptions, RecipeOption, StartedRun } from "../../protocol.ts";
import { api, Refusal } from "../api.ts";
import { useAnswer } from "../follow.ts";
import { addresses, go } from "../router.ts";

interface Complaint {
  readonly field: string | undefined;
  readonly text: string;
}

interface InputProps {
  readonly field: Field;
  readonly recipe: RecipeOption | undefined;
  readonly complaint: string | undefined;
  readonly onInput: (text: string) => void;
}

/** The recipe's value of a field that is required without a recipe. */
function valueIn(recipe: RecipeOption | undefined, key: string): string | undefined {
  const values = recipe === undefined ? {} : { model: recipe.model, data: recipe.data, epochs: recipe.epochs };
  const value = Object.entries(values).find(([name]) => name === key)?.[1];
  return value === null || value === undefined ? undefined : String(value);
}

function Input({ field, recipe, complaint, onInput }: InputProps) {
  const { key, label, hint, kind, choices, value, isNeeded, list } = field;
  const ofRecipe = valueIn(recipe, key);
  const state = complaint === undefined ? {} : { "aria-invalid": true };
  const about = { "aria-describedby": `${key}-hint` };
  const note = (
    <small id={`${key}-hint`} class={complaint === undefined ? "soft" : "bad"}>
      {complaint ?? (key === "recipe" && recipe !== undefined ? recipe.description : hint)}
    </small>
  );
  if (kind === "switch") {
    return (
      <div class="field">
        <label class="switch">
          <input type="checkbox" name={key} defaultChecked={value === "on"} {...state} {...about} /> {label}
        </label>
        {note}
      </div>
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
          defaultValue={recipe === undefined ? value : ""}
          placeholder={ofRecipe}
          required={isNeeded === true && ofRecipe === undefined}
          autocomplete="off"
          onInput={({ currentTarget }) => onInput(currentTarget.value)}
          {...optional({ list })}
          {...state}
          {...about}
        />
      ) : (
        <select id={key} name={key} {...state} {...about}>
          <option value="">{recipe === undefined ? "default" : "that of the recipe"}</option>
          {choices.map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
        </select>
      )}
      {note}
    </div>
  );
}

interface GroupProps {
  readonly group: FieldGroup;
  readonly recipe: RecipeOption | undefined;
  readonly complaint: Complaint | undefined;
  readonly onInput: (key: string, text: string) => void;
}

function Group({ group: { title, isFolded, fields: own }, recipe, complaint, onInput }: GroupProps) {
  const inputs = (
    <div class="fields">
      {own.map((field) => (
        <Input
          // A new recipe replaces all inputs, because their initial values change. The recipe's own input must stay.
          key={field.key === "recipe" ? field.key : `${field.key} ${recipe?.name ?? ""}`}
          field={field}
          recipe={recipe}
          complaint={complaint?.field === field.key ? complaint.text : undefined}
          onInput={(text) => onInput(field.key, text)}
        />
      ))}
    </div>
  );
  if (!isFolded) {
    return (
      <fieldset>
        <legend>{title}</legend>
        {inputs}
      </fieldset>
    );
  }
  const isAbout = own.some(({ key }) => key === complaint?.field);
  return (
    <details class="fieldset" {...(isAbout ? { open: true } : {})}>
      <summary>{title}</summary>
      {inputs}
    </details>
  );
}

/** Lists of names from the server, which inputs propose. */
function Proposals({ options }: { readonly options: FormOptions | undefined }) {
  const { models = [], datasets = [], recipes = [] } = options ?? {};
  const lists = { models, datasets, recipes: recipes.map(({ name }) => name) };
  return Object.entries(lists).map(([id, names]) => (
    <datalist key={id} id={id}>
      {names.map((name) => (
        <option key={name} value={name} />
      ))}
    </datalist>
  ));
}

/** The values that were filled in. An invalid number is sent as text, and the server refuses it. */
function valuesOf(form: HTMLFormElement, fields: readonly Field[]): Record<string, unknown> {
  const data = new FormData(form);
  return Object.fromEntries(
    fields.flatMap(({ key, kind }): [string, unknown][] => {
      if (kind === "switch") return [[key, data.has(key)]];
      const text = String(data.get(key) ?? "").trim();
      if (text === "") return [];
      return [[key, kind === "number" && !Number.isNaN(Number(text)) ? Number(text) : text]];
    }),
  );
}

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits until the run has started or failed. */
async function awaitStart(started: StartedRun): Promise<StartedRun> {
  let now = started;
  while (now.state === "starting") {
    await wait(300);
    now = await api.started(now.name);
  }
  return now;
}

export function NewRunPage() {
  const { value: options, error: unanswered } = useAnswer(api.options, "once");
  const [named, nameRecipe] = useState("");
  const [complaint, complain] = useState<Complaint>();
  const [progress, setProgress] = useState<string>();
  const form = useRef<HTMLFormElement>(null);
  const groups = options?.groups ?? [];
  const recipe = options?.recipes.find(({ name }) => name === named);
  useEffect(() => {
    document.title = "New run · Espalier";
  }, []);
  useEffect(() => {
    const input = complaint?.field === undefined ? undefined : form.current?.elements.namedItem(complaint.field);
    if (input instanceof HTMLElement) input.focus();
  }, [complaint]);
  const submit = async (values: Record<string, unknown>): Promise<void> => {
    complain(undefined);
    setProgress("starting; a missing dataset is downloaded first …");
    try {
      const { name, state, message } = await awaitStart(await api.start(values));
      if (state === "failed") complain({ field: undefined, text: message ?? "The run ended before its first step" });
      else go(addresses.run(name));
    } catch (error) {
      const field = error instanceof Refusal ? error.field : undefined;
      complain({ field, text: error instanceof Error ? error.message : String(error) });
    }
    setProgress(undefined);
  };
  return (
    <>
      <h1>New run</h1>
      <p class="lead">
        Train a network and prune it in the same run. The options are those of <code>espalier train</code>.
      </p>
      <form
        ref={form}
        class="new-run"
        // Hidden until the fields arrive, because they would move the button.
        hidden={options === undefined}
        onSubmit={(event) => {
          event.preventDefault();
          void submit(
            valuesOf(
              event.currentTarget,
              groups.flatMap(({ fields }) => fields),
            ),
          );
        }}
      >
        {groups.map((group) => (
          <Group
            key={group.title}
            group={group}
            recipe={recipe}
            complaint={complaint}
            onInput={(key, text) => {
              if (key === "recipe") nameRecipe(text.trim());
              if (key === complaint?.field) complain(undefined);
            }}
          />
        ))}
        <Proposals options={options} />
        <button type="submit" class="primary" disabled={progress !== undefined}>
          Start
        </button>
        <p role="status" class="soft">
          {progress}
        </p>
        <p role="alert" class="bad">
          {complaint?.text}
        </p>
      </form>
      {options === undefined && unanswered !== undefined && <p class="bad">{unanswered}</p>}
    </>
  );
}

/**
 * A run as asked for on the page: the options of `espalier train`, checked by the schema of settings before anything is started, and
 * written out as the command line they stand for.
 */
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import { datasetReference } from "../data/references.ts";
import { model, modelNames } from "../models/zoo.ts";
import { structureKinds } from "../selection/place.ts";
import { parseSettings, type SettingsInput } from "../training/options.ts";

const text = z.string().trim().min(1).max(300);
const number = z.number();

/** Fields of the form; what is left out is left to the settings' own defaults. */
export interface RunForm {
  readonly model: string;
  readonly data: string;
  readonly name?: string;
  readonly epochs: number;
  readonly gammaNeurons?: number;
  readonly gammaGroups?: number;
  readonly gammaBlocks?: number;
  readonly gammaStreams?: number;
  readonly gammaBy?: string;
  readonly round?: number;
  readonly patience?: number;
  readonly shrink?: boolean;
  readonly batch?: number;
  readonly schedule?: string;
  readonly learningRate?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly seed?: number;
  readonly augment?: boolean;
  readonly limit?: number;
  readonly engine?: string;
  readonly threads?: number;
  readonly precision?: string;
  readonly latency?: boolean;
}

const formSchema: z.ZodType<RunForm> = z.strictObject({
  model: text,
  data: text,
  name: text.regex(/^[\w][\w.-]*$/, "letters, digits, dots, dashes and underscores only").exactOptional(),
  epochs: number,
  gammaNeurons: number.exactOptional(),
  gammaGroups: number.exactOptional(),
  gammaBlocks: number.exactOptional(),
  gammaStreams: number.exactOptional(),
  gammaBy: text.exactOptional(),
  round: number.exactOptional(),
  patience: number.exactOptional(),
  shrink: z.boolean().exactOptional(),
  batch: number.exactOptional(),
  schedule: text.exactOptional(),
  learningRate: number.exactOptional(),
  momentum: number.exactOptional(),
  weightDecay: number.exactOptional(),
  seed: number.exactOptional(),
  augment: z.boolean().exactOptional(),
  limit: number.exactOptional(),
  engine: text.exactOptional(),
  threads: number.exactOptional(),
  precision: text.exactOptional(),
  latency: z.boolean().exactOptional(),
});

type FormKey = Exclude<keyof RunForm, "model" | "name">;

/** The command line's spelling of each field; of the switches, what turns them off. */
const flags: Readonly<Record<FormKey, string>> = {
  data: "--data",
  epochs: "--epochs",
  gammaNeurons: "--gamma-neurons",
  gammaGroups: "--gamma-groups",
  gammaBlocks: "--gamma-blocks",
  gammaStreams: "--gamma-streams",
  gammaBy: "--gamma-by",
  round: "--round",
  patience: "--patience",
  shrink: "--no-shrink",
  batch: "--batch",
  schedule: "--schedule",
  learningRate: "--learning-rate",
  momentum: "--momentum",
  weightDecay: "--weight-decay",
  seed: "--seed",
  augment: "--no-augment",
  limit: "--limit",
  engine: "--engine",
  threads: "--threads",
  precision: "--precision",
  latency: "--no-latency",
};

/** Only what was given: the schema tells the rest, and what is wrong with it. */
function given(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function settingsOf(form: RunForm): Readonly<Record<keyof SettingsInput, unknown>> | Record<string, unknown> {
  const { epochs, gammaNeurons, gammaGroups, gammaBlocks, gammaStreams, shrink, patience } = form;
  const { schedule = "one-cycle", learningRate, limit, gammaBy, round, batch, seed, momentum, weightDecay } = form;
  const { augment, engine, threads, precision, latency, name } = form;
  return given({
    epochs,
    select: given({ neurons: gammaNeurons, groups: gammaGroups, blocks: gammaBlocks, streams: gammaStreams }),
    schedule: given({ kind: schedule, peak: learningRate }),
    shrink: shrink === false ? false : patience === undefined ? undefined : { patience },
    limit: limit === undefined ? undefined : { train: limit },
    ...{ gammaBy, round, batch, seed, momentum, weightDecay, augment, engine, threads, precision, latency, name },
  });
}

/** A γ of each kind that the network has: one for a kind it lacks would be refused by the command, after the page has moved on. */
function checkKinds(form: RunForm): void {
  const graph = model(form.model, { classes: 10 });
  const kinds = structureKinds(graph);
  const asked = {
    neuron: form.gammaNeurons,
    group: form.gammaGroups,
    block: form.gammaBlocks,
    stream: form.gammaStreams,
  };
  for (const [kind, gamma] of Object.entries(asked)) {
    if (gamma === undefined || kinds.some((one) => one === kind)) continue;
    throw new UserError("bad-option", `${form.model} has no ${kind}s`, {
      about: `γ of ${kind}s`,
      hint: `Leave it empty; the network has ${kinds.map((one) => `${one}s`).join(", ")}`,
    });
  }
}

/**
 * Checks what the page sent.
 * @throws UserError "bad-option" or "unknown-name" naming the field.
 */
export function parseForm(input: unknown): RunForm {
  const parsed = formSchema.safeParse(input);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new UserError("bad-option", issue?.message ?? "not a valid form", {
      about: `"${issue?.path.join(".") ?? ""}"`,
      hint: "Correct it and start again; nothing was written",
    });
  }
  const form = parsed.data;
  parseSettings(settingsOf(form));
  if (!form.model.toLowerCase().endsWith(".onnx")) checkKinds(form);
  datasetReference(form.data);
  return form;
}

/** `espalier <arguments>` for `form`, into `folder`. Values are joined to their flags, so that none is taken for a flag itself. */
export function argumentsOf({ model: source, name: _name, ...form }: RunForm, folder: string): string[] {
  const options = Object.entries(form).flatMap(([key, value]) => {
    const flag = flags[key as FormKey];
    if (typeof value === "boolean") return value ? [] : [flag];
    return [`${flag}=${value}`];
  });
  return ["train", ...options, `--out=${folder}`, "--json", "--", source];
}

export { modelNames };

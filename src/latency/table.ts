/**
 * Latency tables: how long a runtime on a device takes for each layer of a network, at a grid of widths. `espalier
 * measure` writes them. A script can write one for another runtime; `docs/latency.md` describes the format.
 */
import { z } from "zod";
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";

/** Days are no times of layers, and sums of the largest numbers are infinite. */
const milliseconds = z.number().nonnegative().max(1e9);
/** Words for people, which are printed in a terminal. */
const words = z
  .string()
  .max(200)
  .regex(/^\P{Cc}*$/u, { error: "control characters are no text" });
const widths = z
  .array(z.int().positive())
  .min(1)
  .refine((values) => values.every((value, index) => index === 0 || value > (values[index - 1] ?? 0)), {
    error: "widths must ascend",
  });

const grid = {
  /** Output widths: the rows of `milliseconds`. */
  outputs: widths,
  /** Input widths, of one group if the layer is grouped: the columns of `milliseconds`; [1] without weights. */
  inputs: widths,
  milliseconds: z.array(z.array(milliseconds)),
};
const isWhole = ({ outputs, inputs, milliseconds: rows }: TimeGrid): boolean =>
  rows.length === outputs.length && rows.every((row) => row.length === inputs.length);
const wholeGrid = {
  error: "milliseconds must have a row for each of outputs, and in it a number for each of inputs",
};

const timeGrid = z.strictObject(grid);

/** Times at pairs of widths. */
export type TimeGrid = Readonly<z.output<typeof timeGrid>>;

const layerTimes = z
  .strictObject({
    /** The layer's key, as `timedLayers` makes it. */
    layer: z.string().min(1),
    ...grid,
    /** Times at widths that the fast kernels do not compute; without it, they take as long as others. */
    unaligned: timeGrid.refine(isWhole, wholeGrid).optional(),
  })
  .refine(isWhole, wholeGrid);

const tableSchema = z.strictObject({
  format: z.literal("espalier-latency-table"),
  /** Version 1 has neither `inputAlignment` nor `unaligned`. */
  version: z.literal([1, 2]),
  /** The processor or the phone. */
  device: words.min(1),
  runtime: words.min(1),
  runtimeVersion: words,
  /** What the runtime computes with: cpu, webgpu, …. */
  provider: words.min(1),
  /** Threads of a run. */
  threads: z.int().positive(),
  /** Images of a run. */
  batch: z.int().positive(),
  /** Channels that the runtime computes at once: a layer takes as long as one whose widths are multiples of this. */
  channelBlock: z.int().positive(),
  /** Inputs of at most this many channels count channel by channel; 0: none does. */
  narrow: z.int().nonnegative(),
  /** Convolutions read inputs in blocks if their number is a multiple of this; default 1: all are. */
  inputAlignment: z.int().positive().optional(),
  /** Milliseconds of a run outside of its layers. */
  overhead: milliseconds,
  /** The spread of the measurements: the quartiles' distance from the median, as a share of it. */
  spread: z.number().nonnegative(),
  layers: z
    .array(layerTimes)
    .min(1)
    .refine((layers) => new Set(layers.map(({ layer }) => layer)).size === layers.length, {
      error: "a layer is there twice",
    }),
});

export type LatencyTable = Readonly<z.output<typeof tableSchema>>;
export type LayerTimes = Readonly<z.output<typeof layerTimes>>;

/**
 * Reads a table from JSON; `name` is its name in messages.
 * @throws UserError "bad-file" if it is not JSON or not such a table, with the first fault.
 */
export function parseLatencyTable(json: string, name: string): LatencyTable {
  requireArguments("parseLatencyTable", { json: [json, "text or none"], name: [name, "text"] });
  const refuse = (message: string, cause: unknown): UserError =>
    new UserError("bad-file", `is not a latency table: ${message}`, {
      about: name,
      hint: "Write one with: espalier measure <model> --out table.json; docs/latency.md describes the format",
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw refuse("it is not JSON", cause);
  }
  const parsed = tableSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = (issue?.path ?? []).map(String).join(".");
  throw refuse(`${place === "" ? "" : `${place}: `}${issue?.message ?? "another form"}`, parsed.error);
}

/** `Xeon, ONNX Runtime 1.30.0, 1 thread`: what a table was measured on. */
export function describeTable({ device, runtime, runtimeVersion, provider, threads, batch }: LatencyTable): string {
  const images = batch === 1 ? "" : `, ${batch} images a run`;
  const where = provider === "cpu" ? "" : ` (${provider})`;
  return `${device}, ${runtime} ${runtimeVersion}${where}, ${threads} ${threads === 1 ? "thread" : "threads"}${images}`;
}

/** `table` as JSON with one layer a line. */
export function formatLatencyTable(table: LatencyTable): string {
  requireArguments("formatLatencyTable", { table: [table, "latency table"] });
  const { layers, ...rest } = table;
  const head = JSON.stringify(rest, undefined, 2).slice(0, -2);
  return `${head},\n  "layers": [\n${layers.map((layer) => `    ${JSON.stringify(layer)}`).join(",\n")}\n  ]\n}\n`;
}

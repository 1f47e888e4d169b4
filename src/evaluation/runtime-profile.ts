/** ONNX Runtime's profile of a file: the time and the shapes of each node. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import { quantile } from "../core/quantile.ts";
import type { Shape } from "../core/tensor.ts";
import { type LoadOptions, loadSession, runSession } from "./onnx-runtime.ts";
import { type FeedOptions, randomFeeds } from "./random-feeds.ts";

export interface ProfileOptions extends FeedOptions, Omit<LoadOptions, "profile"> {
  /** Number of runs for the median, after one untimed run. */
  readonly runs: number;
}

/** A node as the runtime executes it; it may be several fused nodes of the file. */
export interface ProfiledNode {
  readonly name: string;
  /** Name of the op in ONNX, or the runtime's name for its own ops. */
  readonly op: string;
  /** Milliseconds, the median of the runs. */
  readonly median: number;
  readonly inputs: readonly Shape[];
  readonly outputs: readonly Shape[];
  /** Element type of the first input, as the runtime names it: "float", "uint8"; "" without inputs. */
  readonly inputType: string;
}

/** One entry for each tensor: type and shape. */
const shapes = z.array(z.record(z.string(), z.array(z.number()))).transform((tensors) => ({
  types: tensors.map((tensor) => Object.keys(tensor)[0] ?? ""),
  shapes: tensors.map((tensor) => Object.values(tensor)[0] ?? []),
}));
const profileSchema = z.array(
  z.union([
    z.object({
      cat: z.literal("Node"),
      name: z.string(),
      dur: z.number(),
      args: z.object({
        op_name: z.string(),
        node_index: z.string(),
        input_type_shape: shapes,
        output_type_shape: shapes,
      }),
    }),
    z.object({ cat: z.string() }),
  ]),
);

/**
 * Runs the file at `path` on random inputs and returns its nodes in execution order. Throws the errors of `loadSession`
 * and `randomFeeds`, and `UserError("unsupported")` if the runtime's profile has an unknown format.
 */
export async function profileFile(
  path: string,
  { runs, threads = 1, optimized = true, ...feedOptions }: ProfileOptions,
): Promise<readonly ProfiledNode[]> {
  const folder = await mkdtemp(join(tmpdir(), "espalier-profile-"));
  try {
    const session = await loadSession(path, path, { threads, optimized, profile: join(folder, "profile") });
    try {
      const feeds = randomFeeds(session, path, feedOptions);
      for (let run = 0; run <= runs; run++) await runSession(session, feeds, path);
      session.endProfiling();
    } finally {
      await session.release();
    }
    const [file = ""] = await readdir(folder);
    return nodesOfProfile(JSON.parse(await readFile(join(folder, file), "utf8")), runs);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The nodes of `profile`, without the first of its `runs` + 1 runs, which allocates memory. */
export function nodesOfProfile(profile: unknown, runs: number): readonly ProfiledNode[] {
  const parsed = profileSchema.safeParse(profile);
  if (!parsed.success) {
    throw new UserError("unsupported", "ONNX Runtime's profile has an unknown format", {
      hint: "Install the version of onnxruntime-node that package.json names, or leave out the profile",
      cause: parsed.error,
    });
  }
  const suffix = "_kernel_time";
  const found = new Map<string, { node: ProfiledNode; times: number[] }>();
  for (const event of parsed.data) {
    if (!("args" in event) || !event.name.endsWith(suffix)) continue;
    const { op_name: op, node_index: index, input_type_shape: inputs, output_type_shape: outputs } = event.args;
    const name = event.name.slice(0, -suffix.length);
    // The index distinguishes nodes without a name.
    const key = `${index} ${name}`;
    const known = found.get(key) ?? {
      node: {
        ...{ name, op, median: 0, inputs: inputs.shapes, outputs: outputs.shapes },
        inputType: inputs.types[0] ?? "",
      },
      times: [],
    };
    known.times.push(event.dur / 1000);
    found.set(key, known);
  }
  return [...found.values()].map(({ node, times }) => ({
    ...node,
    median: quantile(
      times.slice(-runs).toSorted((a, b) => a - b),
      0.5,
    ),
  }));
}

/**
 * The nodes of `profile` that compute with floats. What turns floats into integers and back does not count, and neither
 * do kernels on integers, which are told by their names because their first input may be a scale.
 */
export function floatNodes(profile: readonly ProfiledNode[]): readonly ProfiledNode[] {
  return profile.filter(({ op, inputType }) => {
    const isConversion = op === "QuantizeLinear" || op === "DequantizeLinear";
    return inputType.startsWith("float") && !isConversion && !/^(QLinear|QGemm)/.test(op);
  });
}

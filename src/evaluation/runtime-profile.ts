/** ONNX Runtime's own profile of a file: what each node took, and between which shapes. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import type { Shape } from "../core/tensor.ts";
import { quantile } from "./latency.ts";
import { type LoadOptions, loadSession, runSession } from "./onnx-runtime.ts";
import { type FeedOptions, randomFeeds } from "./random-feeds.ts";

export interface ProfileOptions extends FeedOptions, Omit<LoadOptions, "profile"> {
  /** Runs whose median counts; one more goes before them. */
  readonly runs: number;
}

/** A node as the runtime runs it: where it fused several of the file's, it is one. */
export interface ProfiledNode {
  readonly name: string;
  /** As ONNX, or the runtime for its own, names it. */
  readonly op: string;
  /** Milliseconds, the median of the runs. */
  readonly median: number;
  readonly inputs: readonly Shape[];
  readonly outputs: readonly Shape[];
}

/** One entry a tensor: its type, and its shape. */
const shapes = z
  .array(z.record(z.string(), z.array(z.number())))
  .transform((tensors) => tensors.map((tensor) => Object.values(tensor)[0] ?? []));
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
 * Runs the file at `path` on random inputs and returns its nodes in the order in which they ran; errors as of
 * `loadSession` and `randomFeeds`, and `UserError("unsupported")` if the runtime writes a profile that is not as
 * expected.
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
    return nodesOf(JSON.parse(await readFile(join(folder, file), "utf8")), runs);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What `profile` tells of each node; the first of its `runs` + 1 runs is passed over, for memory is laid out in it. */
function nodesOf(profile: unknown, runs: number): readonly ProfiledNode[] {
  const parsed = profileSchema.safeParse(profile);
  if (!parsed.success) {
    throw new UserError("unsupported", "ONNX Runtime's profile is not as expected", {
      hint: "Install the version of onnxruntime-node that package.json names, or leave the profile away",
      cause: parsed.error,
    });
  }
  const suffix = "_kernel_time";
  const found = new Map<string, { node: ProfiledNode; times: number[] }>();
  for (const event of parsed.data) {
    if (!("args" in event) || !event.name.endsWith(suffix)) continue;
    const { op_name: op, node_index: index, input_type_shape: inputs, output_type_shape: outputs } = event.args;
    const name = event.name.slice(0, -suffix.length);
    // Nodes without a name are told apart by their place.
    const key = `${index} ${name}`;
    const known = found.get(key) ?? {
      node: { name, op, median: 0, inputs, outputs },
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

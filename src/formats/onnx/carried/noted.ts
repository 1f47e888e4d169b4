/** Metadata of a written file that says where its network begins and ends, so that it is read in the same parts. */
import { z } from "zod";
import { UserError } from "../../../core/errors.ts";
import type { Graph } from "../../../graph/graph.ts";
import type { ModelMessage } from "../proto.ts";
import { Dependence } from "./parts.ts";
import type { Split } from "./split.ts";

/** Keys of the entries: the outputs of the network, one a line; name and dims of its input. */
export const splitKeys = { outputs: "espalier.outputs", input: "espalier.input" } as const;

const inputSchema = z.strictObject({ name: z.string(), shape: z.array(z.int().positive()) });

/** The entries for a file written from `graph`; none if nothing is carried. */
export function splitEntries({ header, outputs, inputs }: Graph): readonly (readonly [string, string])[] {
  const { carried } = header ?? {};
  if (carried === undefined) return [];
  const [input] = inputs;
  const isBehind = carried.before.length > 0 && input !== undefined;
  const shape = (input?.shape ?? []).slice(1);
  return [
    [splitKeys.outputs, outputs.join("\n")],
    ...(isBehind ? [[splitKeys.input, JSON.stringify({ name: input.name, shape })] as const] : []),
  ];
}

/** @throws UserError "bad-file" if an entry cannot be read. */
export function notedSplit({ metadataProps, graph = {} }: ModelMessage, file: string): Split | undefined {
  const entries = new Map((metadataProps ?? []).map(({ key, value }) => [key ?? "", value ?? ""] as const));
  const outputs = entries.get(splitKeys.outputs);
  if (outputs === undefined) return undefined;
  const text = entries.get(splitKeys.input);
  if (text === undefined) return { outputs: outputs.split("\n") };
  try {
    const { name, shape } = inputSchema.parse(JSON.parse(text));
    const nodes = [...new Dependence(graph).ancestors([name], new Set())];
    return { outputs: outputs.split("\n"), input: { name, shape, nodes } };
  } catch (cause) {
    throw new UserError("bad-file", `the metadata "${splitKeys.input}" cannot be read`, {
      about: file,
      hint: "Correct or remove the entries of the metadata that begin with espalier.",
      cause,
    });
  }
}

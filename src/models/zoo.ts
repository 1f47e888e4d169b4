/** Every model by its name: what `espalier train <model>` understands. */
import { unknownName } from "../core/names.ts";
import type { Graph } from "../graph/graph.ts";
import type { ImageOptions } from "./options.ts";
import { resnet, resnetDepths } from "./resnet.ts";
import { resnext20 } from "./resnext.ts";
import { vgg16 } from "./vgg.ts";

const zoo: ReadonlyMap<string, (options: ImageOptions) => Graph> = new Map([
  ...resnetDepths.flatMap((depth): [string, (options: ImageOptions) => Graph][] => [
    [`resnet-${depth}`, (options) => resnet({ ...options, depth, shortcut: "A" })],
    [`resnet-${depth}-b`, (options) => resnet({ ...options, depth, shortcut: "B" })],
  ]),
  ["vgg-16", vgg16],
  ["resnext-20", resnext20],
]);

/** Names that `model` knows: `resnet-20` … `resnet-110` (option A), `resnet-20-b` … (option B), `vgg-16`, `resnext-20`. */
export const modelNames: readonly string[] = [...zoo.keys()];

/** The model called `name`, its graph named alike. Throws `UserError("unknown-name")` with the nearest known name. */
export function model(name: string, options: ImageOptions): Graph {
  const build = zoo.get(name);
  if (build === undefined) throw unknownName("model", name, modelNames);
  return build(options);
}

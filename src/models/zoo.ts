/** All models by name, as in `espalier train <model>`. */
import { requireArguments } from "../core/arguments.ts";
import { unknownName } from "../core/names.ts";
import type { Graph } from "../graph/graph.ts";
import { densenet40, densenet121 } from "./densenet.ts";
import { fastnet } from "./fastnet.ts";
import { mobilenetV2, smallMobilenetV2 } from "./mobilenet.ts";
import { type ImageOptions, large, small } from "./options.ts";
import { peleenet } from "./peleenet.ts";
import { resnet, resnetDepths } from "./resnet.ts";
import { imagenetResnet, imagenetResnetDepths } from "./resnet-imagenet.ts";
import { preactResnet, resnet164 } from "./resnet-preact.ts";
import { imagenetResnext, imagenetResnextDepths, resnext, resnextDepths } from "./resnext.ts";
import { imagenetVgg16, vgg16 } from "./vgg.ts";

type Build = (options: ImageOptions) => Graph;

/** For images of 32 x 32 pixels. */
const smallModels: readonly (readonly [string, Build])[] = [
  ["vgg-16", vgg16],
  ...resnetDepths.map(
    (depth) => [`resnet-${depth}`, (options: ImageOptions) => resnet({ ...options, depth })] as const,
  ),
  ...resnetDepths.map(
    (depth) => [`resnet-${depth}-b`, (options: ImageOptions) => resnet({ ...options, depth, shortcut: "B" })] as const,
  ),
  ["resnet-164", resnet164],
  ...resnextDepths.map(
    (depth) => [`resnext-${depth}`, (options: ImageOptions) => resnext({ ...options, depth })] as const,
  ),
  ["densenet-40", densenet40],
  ["mobilenet-v2-cifar", smallMobilenetV2],
  ["fastnet-cifar", fastnet],
];

/** For images of 224 x 224 pixels. */
const largeModels: readonly (readonly [string, Build])[] = [
  ["vgg-16-imagenet", imagenetVgg16],
  ...imagenetResnetDepths.map(
    (depth) => [`resnet-${depth}`, (options: ImageOptions) => imagenetResnet({ ...options, depth })] as const,
  ),
  ...imagenetResnetDepths.map(
    (depth) => [`resnet-${depth}-preact`, (options: ImageOptions) => preactResnet({ ...options, depth })] as const,
  ),
  ...imagenetResnextDepths.map(
    (depth) => [`resnext-${depth}`, (options: ImageOptions) => imagenetResnext({ ...options, depth })] as const,
  ),
  ["peleenet", peleenet],
  ["densenet-121", densenet121],
  ["mobilenet-v2", mobilenetV2],
];

/** The default options of a model: images of `size` x `size` pixels in `classes` classes. */
export interface ModelDefaults {
  readonly size: number;
  readonly classes: number;
}

interface Entry {
  readonly build: Build;
  readonly defaults: ModelDefaults;
}

/** By name: the model and its defaults, with the classes of CIFAR-10 (10) or of ImageNet (1000). */
const zoo: ReadonlyMap<string, Entry> = new Map<string, Entry>([
  ...smallModels.map(([name, build]) => [name, { build, defaults: { size: small.size, classes: 10 } }] as const),
  ...largeModels.map(([name, build]) => [name, { build, defaults: { size: large.size, classes: 1000 } }] as const),
]);

/** The names of all models, those for small images first. */
export const modelNames: readonly string[] = [...zoo.keys()];

function entryOf(name: string): Entry {
  const entry = zoo.get(name);
  if (entry === undefined) throw unknownName("model", name, modelNames);
  return entry;
}

/** The default options of model `name`. Throws `UserError("unknown-name")` with the nearest known name. */
export function modelDefaults(name: string): ModelDefaults {
  requireArguments("modelDefaults", { name: [name, "text"] });
  return entryOf(name).defaults;
}

/**
 * The graph of model `name`. Options that are missing have the model's defaults. Throws `UserError("unknown-name")`
 * with the nearest known name.
 */
export function model(name: string, options: Partial<ImageOptions> = {}): Graph {
  requireArguments("model", { name: [name, "text"], options: [options, "object"] });
  const { build, defaults } = entryOf(name);
  return build({ classes: defaults.classes, ...options });
}

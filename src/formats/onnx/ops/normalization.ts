/**
 * ONNX `InstanceNormalization`, `GroupNormalization` and `LayerNormalization` ↔ normalization, and `LRN`. Their scale
 * and shift are read as a gain and a bias, or as a product and a sum where they have more numbers than channels. So the
 * written node has ones and zeros, and a product and a sum follow it. Other axes are written out in small ops, and
 * those of other tools are read as a normalization (`normalization-forms.ts`).
 */
import { elementCount, type Shape, sameShape, tensor } from "../../../core/tensor.ts";
import type { NormalizationAttributes } from "../../../graph/attributes.ts";
import type { ForwardNode, Node } from "../../../graph/graph.ts";
import { shortestDecimal } from "../decimal.ts";
import { frontAxis } from "../folding/movement.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteContext, WriteRule } from "../rules.ts";
import { readPerChannel } from "./per-channel.ts";

const opsets = { layer: 17, groupsOfChannels: 21, axesInput: 18 } as const;

function ones(count: number): readonly number[] {
  return new Array<number>(count).fill(1);
}

export const writeNormalization: WriteRule<"normalization"> = (node, context) => {
  const [src = ""] = node.inputs;
  const { axes, groups, epsilon } = node.attributes;
  const shape = context.shape(src);
  const channels = shape[1] ?? 1;
  context.keepExact(node, "epsilon", epsilon, shortestDecimal(epsilon));
  const float = { epsilon: { float: epsilon } };
  const affine = (count: number): readonly string[] => [
    context.floats(`${node.name}/scale`, ones(count)),
    context.floats(`${node.name}/shift`, new Array<number>(count).fill(0)),
  ];
  const [first = 1] = axes;
  const isOfPixels = first === 2 && axes.length === shape.length - 2;
  const isOfLastAxis = axes.length === 1 && first === shape.length - 1;
  if (groups !== undefined && axes.length === shape.length - 1) {
    if (context.opset >= opsets.groupsOfChannels && shape.length > 2) {
      context.write("GroupNormalization", node, [src, ...affine(channels)], { ...float, num_groups: groups });
    } else writeGroups(node, groups, affine(groups), context);
  } else if (isOfPixels) context.write("InstanceNormalization", node, [src, ...affine(channels)], float);
  else if (isOfLastAxis && context.opset >= opsets.layer) {
    context.write("LayerNormalization", node, [src, ...affine(shape.at(-1) ?? 1)], { ...float, axis: -1 });
  } else writeOut(node, context);
};

/** As PyTorch writes it: each group is seen as one channel with many pixels. */
function writeGroups(
  node: Node<"normalization"> & ForwardNode,
  groups: number,
  affine: readonly string[],
  context: WriteContext,
): void {
  const [src = ""] = node.inputs;
  const part = (role: string): string => `${node.name}/${role}`;
  const [, ...features] = context.shape(src);
  const inGroups = context.integers(part("in_groups"), [0, groups, -1]);
  const seen = context.helper("Reshape", part("groups"), [src, inGroups]);
  const { epsilon } = node.attributes;
  const inputs = [seen, ...affine];
  const normalized = context.helper("InstanceNormalization", part("normalized"), inputs, {
    epsilon: { float: epsilon },
  });
  context.write("Reshape", node, [normalized, context.integers(part("dims"), [0, ...features])]);
}

/** As a mean, a variance and a quotient. */
function writeOut(node: Node<"normalization"> & ForwardNode, context: WriteContext): void {
  const [src = ""] = node.inputs;
  const { axes, epsilon } = node.attributes;
  const part = (role: string): string => `${node.name}/${role}`;
  const mean = (name: string, of: string): string =>
    context.opset >= opsets.axesInput
      ? context.helper("ReduceMean", part(name), [of, context.integers(part(`${name}_axes`), axes)])
      : context.helper("ReduceMean", part(name), [of], { axes });
  const centred = context.helper("Sub", part("centred"), [src, mean("mean", src)]);
  const variance = mean("variance", context.helper("Mul", part("squares"), [centred, centred]));
  const raised = context.helper("Add", part("raised"), [variance, context.scalar(part("epsilon"), epsilon)]);
  context.write("Div", node, [centred, context.helper("Sqrt", part("deviation"), [raised])]);
}

function epsilonOf(node: NodeReader, context: ReadContext): number {
  const epsilon = shortestDecimal(node.float("epsilon", 1e-5));
  node.check(epsilon >= 0, "epsilon must not be negative", "0 or more", `${epsilon}`);
  return context.exact(node, "epsilon", epsilon, shortestDecimal);
}

interface Affine {
  readonly scale: string;
  readonly shift: string | undefined;
  /** The shape of the constants, seen without the batch axis; one number for each channel without it. */
  readonly shape?: Shape;
}

/** Whether the constant is `number` everywhere. */
function isAll(context: ReadContext, constant: string, number: number): boolean {
  return context.constant(constant)?.values.every((value) => value === number) === true;
}

/** Adds the normalization of `src`, its product with the scale and its sum with the shift. */
function addNormalization(
  node: NodeReader,
  context: ReadContext,
  src: string,
  attributes: NormalizationAttributes,
  { scale, shift, shape }: Affine,
): void {
  const scales = !isAll(context, scale, 1);
  const shifts = shift !== undefined && !isAll(context, shift, 0);
  const step = (isLast: boolean, part: string): { readonly part: string } | undefined =>
    isLast ? undefined : { part };
  let value = context.add(node, "normalization", [src], attributes, step(!scales && !shifts, "normalized"));
  const [, count = 1, ...pixels] = context.shape(src);
  const channels = [count];
  const isPerChannel = shape === undefined || sameShape(shape, [count, ...pixels.map(() => 1)]);
  if (scales) {
    const last = step(!shifts, "scaled");
    value = isPerChannel
      ? context.add(node, "gain", [value, context.parameter(node, scale, channels)], {}, last)
      : readPerChannel(node, context, "gain", { src: value, constant: scale }, last);
  }
  if (!shifts) return;
  if (isPerChannel) context.add(node, "bias", [value, context.parameter(node, shift, channels)], {});
  else readPerChannel(node, context, "bias", { src: value, constant: shift });
}

function affineOf(node: NodeReader): Affine {
  return { scale: node.input(1), shift: (node.inputs[2] ?? "") === "" ? undefined : node.input(2) };
}

const readInstanceNormalization: ReadRule = (node, context) => {
  const src = node.input(0);
  const shape = context.shape(src);
  node.check(shape.length > 2, "normalises values without pixels", "3 axes or more", `${shape.length}`);
  const axes = shape.slice(2).map((_, axis) => axis + 2);
  addNormalization(node, context, src, { axes, epsilon: epsilonOf(node, context) }, affineOf(node));
};

const readGroupNormalization: ReadRule = (node, context) => {
  const src = node.input(0);
  const [, channels = 1, ...pixels] = context.shape(src);
  const groups = node.int("num_groups");
  node.int("stash_type", 1);
  node.check(
    groups >= 1 && channels % groups === 0,
    "its groups do not divide the channels",
    `${channels}`,
    `${groups}`,
  );
  const axes = [1, ...pixels.map((_, axis) => axis + 2)];
  const { scale, shift } = affineOf(node);
  // Before opset 21 there is one number a group.
  const perChannel = (constant: string, role: string): string => {
    const { values } = context.constant(constant) ?? {};
    if (!(values instanceof Float32Array)) throw node.unsupported(`input "${constant}" must be a constant of floats`);
    if (values.length !== groups || groups === channels) return constant;
    const repeated = Float32Array.from(
      { length: channels },
      (_, channel) => values[Math.floor((channel * groups) / channels)] ?? 0,
    );
    return context.derived(node, constant, role, tensor([channels], repeated));
  };
  const affine = {
    scale: perChannel(scale, "scale"),
    shift: shift === undefined ? undefined : perChannel(shift, "shift"),
  };
  addNormalization(node, context, src, { axes, groups, epsilon: epsilonOf(node, context) }, affine);
};

const readLayerNormalization: ReadRule = (node, context) => {
  const src = node.input(0);
  const shape = context.shape(src);
  const first = frontAxis(node, node.int("axis", -1), shape.length);
  node.int("stash_type", 1);
  node.check(first > 0, "normalises over the batch", "an axis of 1 or more", `${first}`);
  const axes = shape.slice(first).map((_, axis) => first + axis);
  const { scale, shift } = affineOf(node);
  const affine = { scale, shift, shape: context.shape(scale) };
  addNormalization(node, context, src, { axes, epsilon: epsilonOf(node, context) }, affine);
};

/** `LayerNormalization` over the last axis of images with their channels last, of the images before the transpose. */
export const readChannelNormalization: ReadRule = (node, context) => {
  node.int("axis", -1);
  node.int("stash_type", 1);
  const attributes = { axes: [1], epsilon: epsilonOf(node, context) };
  addNormalization(node, context, node.input(0), attributes, affineOf(node));
};

export const writeLocalResponseNormalization: WriteRule<"local_response_normalization"> = (node, context) => {
  const { size, ...numbers } = node.attributes;
  const floats = Object.entries(numbers).map(([name, value]) => {
    context.keepExact(node, name, value, shortestDecimal(value));
    return [name, { float: value }] as const;
  });
  context.write("LRN", node, node.inputs, { size, ...Object.fromEntries(floats) });
};

const readLocalResponseNormalization: ReadRule = (node, context) => {
  const float = (name: string, absent: number): number =>
    context.exact(node, name, shortestDecimal(node.float(name, absent)), shortestDecimal);
  const attributes = {
    size: node.int("size"),
    alpha: float("alpha", 0.0001),
    beta: float("beta", 0.75),
    bias: float("bias", 1),
  };
  const src = node.input(0);
  const [, channels = 1, ...pixels] = context.shape(src);
  if (pixels.length === 2 || pixels.length === 0) {
    context.add(node, "local_response_normalization", [src], attributes);
    return;
  }
  // ONNX Runtime has it of images alone, and the result does not depend on where the pixels are.
  const image = context.add(node, "reshape", [src], { shape: [channels, elementCount(pixels), 1] }, { part: "image" });
  const normalized = context.add(node, "local_response_normalization", [image], attributes, { part: "normalized" });
  context.add(node, "reshape", [normalized], { shape: [channels, ...pixels] });
};

/** Others are read by what they are made of (`function-bodies.ts`). */
const refuseFrontAxis: ReadRule = (node) => {
  const axis = node.int("axis", -1);
  throw node.unsupported("its first axis is counted from the front", "an axis of -1 or less", `${axis}`);
};

/** By ONNX op: how it is read. */
export const normalizationRules: readonly (readonly [opType: string, rule: ReadRule])[] = [
  ["GroupNormalization", readGroupNormalization],
  ["InstanceNormalization", readInstanceNormalization],
  ["LRN", readLocalResponseNormalization],
  ["LayerNormalization", readLayerNormalization],
  ["RMSNormalization", refuseFrontAxis],
];

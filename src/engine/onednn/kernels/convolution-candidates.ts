/**
 * Lists the candidates for a convolution. Each direction is described once per algorithm, layout and formulation. Every
 * implementation that the library offers is a candidate, and the tuner takes the fastest.
 */

import { type Shape, sameShape } from "../../../core/tensor.ts";
import type { Padding } from "../../../graph/attributes.ts";
import { isWeightStep } from "../../../graph/weight-steps.ts";
import { sidesOf } from "../../../graph/windows.ts";
import type { PassedOver, Precision } from "../../engine.ts";
import type { Operation } from "../ffi/abi.ts";
import { describeMemory, isBlocked, type LayoutName, type MemoryDescriptor, samePlaces } from "../ffi/memory.ts";
import {
  type ConvolutionAlgorithm,
  type ConvolutionDirection,
  type ConvolutionMemory,
  convolutionOperation,
} from "../ffi/operations.ts";
import { firstImplementation, implementations, type PrimitiveDescriptor } from "../ffi/primitive.ts";
import { primitivesOf } from "../planner/candidate.ts";
import type { Program } from "../planner/program.ts";
import { vectorWidth } from "../planner/vector-width.ts";
import { batchAsDepth } from "./batch-as-depth.ts";
import { isFaulty } from "./faulty.ts";
import { type Convolution, type ConvolutionCandidate, type Formulation, roles } from "./formulation.ts";
import { rowFormulations } from "./image-rows.ts";
import { sampledProducts } from "./sampled-products.ts";
import { smallImageMatmul } from "./small-image-matmul.ts";
import { turnedFormulations } from "./turned-weights.ts";

/** A key that is equal only for equal convolutions. */
export function keyOf(program: Program, call: Convolution): string {
  return keyWithWidths(program, call, (channels) => channels);
}

/** A key that is equal for convolutions whose widths share timings. */
export function sharedKeyOf(program: Program, call: Convolution): string {
  // For grouped convolutions, the widths decide which kernels the library has.
  if (call.attributes.groups > 1) return keyOf(program, call);
  return keyWithWidths(program, call, (channels) => {
    const { padded, hasRest } = vectorWidth(channels, program.layout);
    return hasRest ? `${padded}-` : padded;
  });
}

function keyWithWidths(
  program: Program,
  { direction, attributes, src, weights, bias }: Convolution,
  width: (channels: number) => number | string,
): string {
  const { strides, padding, dilation, groups } = attributes;
  const [batch = 0, channels = 0, ...pixels] = program.shape(src);
  const [outputs = 0, inputs = 0, ...kernel] = program.shape(weights);
  const inputWidth = isImage(program, src) ? (own: number): number | string => own : width;
  return [
    direction,
    program.layout,
    [batch, inputWidth(channels), ...pixels].join("x"),
    [width(outputs), inputWidth(inputs), ...kernel].join("x"),
    `s${strides}`,
    `p${sidesInOrder(padding, pixels.length)}`,
    `d${dilation}`,
    `g${groups}`,
    ...(bias === undefined ? [] : ["bias"]),
    ...(isImage(program, src) ? ["image"] : []),
    ...(program.precision === "f32" ? [] : [program.precision]),
  ].join(" ");
}

/** All that is before the pixels of each axis, then all that is behind them. */
function sidesInOrder(padding: Padding, count: number): readonly number[] {
  const sides = sidesOf(padding, count);
  return [...sides.map(([before]) => before), ...sides.map(([, after]) => after)];
}

/** The candidates for a convolution with images in the program's present layout. */
export interface Offer {
  readonly candidates: readonly ConvolutionCandidate[];
  /** The requests that the library refused. */
  readonly refused: readonly PassedOver[];
}

/** Lists candidates. The caller destroys their primitives. */
export function offerOf(program: Program, call: Convolution): Offer {
  const refused: PassedOver[] = [];
  const request = { program, call, refused };
  const usual = offers(request, program.layout);
  const others = usual.some(isFast) ? [] : offers(request, "any");
  const isOfVolumes = program.shape(call.src).length > 4;
  const inOneVolume = isOfVolumes ? [] : batchAsDepth(program, call);
  const formulations = [...usual, ...others, ...offersInF32(request), ...inOneVolume];
  const ofOurs = [smallImageMatmul, sampledProducts, rowFormulations, turnedFormulations] as const;
  const isOurs = !isOfVolumes && !isImage(program, call.src);
  const ours = isOurs ? ofOurs.flatMap((formulate) => formulate(program, call)) : [];
  const all = [...formulations, ...ours].map((formulation) => candidate(program, call, formulation));
  const candidates = worthTiming(all);
  for (const each of all) {
    if (!candidates.includes(each)) for (const primitive of primitivesOf(each)) primitive.destroy();
  }
  return { candidates, refused };
}

interface Request {
  readonly program: Program;
  readonly call: Convolution;
  readonly refused: PassedOver[];
}

function isFast({ name }: Formulation): boolean {
  return !/\b(ref|gemm)\b/.test(name);
}

/**
 * Those that are worth timing: the fast ones. Without any, those that multiply matrices. Without these, one of the
 * library's plain loops.
 */
function worthTiming(all: readonly ConvolutionCandidate[]): readonly ConvolutionCandidate[] {
  const fast = all.filter(isFast);
  if (fast.length > 0) return fast;
  const products = all.filter(({ name }) => !/\bref\b/.test(name));
  return products.length > 0 ? products : all.slice(0, 1);
}

/** Whether a value is an input of the graph. Inputs have the plain layout, for which oneDNN has special kernels. */
function isImage(program: Program, src: string): boolean {
  return program.graph.inputs.some(({ name }) => name === src);
}

/** Shape of weights in oneDNN, where grouped weights have an additional axis for the groups. */
export function weightsShape(shape: Shape, groups: number): Shape {
  const [outputs = 0, ...rest] = shape;
  return groups === 1 ? shape : [groups, outputs / groups, ...rest];
}

function offers(
  { program, call, refused }: Request,
  layout: LayoutName,
  precision: Precision = program.precision,
): Formulation[] {
  const { library } = program;
  const hint = call.direction === "forward" ? undefined : forwardHint(program, call, precision);
  const found = new Map<string, Formulation>();
  const families = new Set<string>();
  for (const algorithm of ["direct", "winograd", "auto"] as const) {
    const operation = describe(program, call, algorithm, layout, precision);
    const refuse = (reason: string): void => void refused.push({ implementation: `${layout} ${algorithm}`, reason });
    for (const primitive of implementations(library, operation, hint, library.attributes, refuse)) {
      const name = `${layout} ${primitive.implementation}`;
      // The library lists a family of kernels (`brgconv:`, `jit:`) with the best of the processor's instruction sets
      // first.
      const family = `${algorithm} ${primitive.implementation.split(":")[0]}`;
      const isDouble = found.has(name) || families.has(family);
      if (isDouble || isFaulty(program, call, primitive)) primitive.destroy();
      else found.set(name, single(program, call, name, primitive));
      families.add(family);
    }
  }
  return [...found.values()];
}

/**
 * Weights' gradients are always f32, so their convolutions can be computed in f32 too. Winograd exists only there, and
 * may be worth two reorders. For images and outputs that fill no vector, oneDNN 2.6.3 has fast kernels only there.
 */
function offersInF32(request: Request): Formulation[] {
  const { program, call } = request;
  if (program.precision === "f32" || call.direction !== "backward weights") return [];
  return offers(request, program.layout, "f32").filter(isFast);
}

function describe(
  program: Program,
  { direction, attributes, src, weights, bias, dst }: Convolution,
  algorithm: ConvolutionAlgorithm,
  layout: LayoutName,
  precision: Precision,
): Operation {
  const { library } = program;
  const image = isImage(program, src) && layout !== "any";
  // The gradient of the weights is summed and stored in f32.
  const weightsType = direction === "backward weights" ? "f32" : precision;
  return convolutionOperation(
    direction,
    algorithm,
    {
      src: describeMemory(library, program.shape(src), image ? "plain" : layout, precision),
      weights: describeMemory(library, weightsShape(program.shape(weights), attributes.groups), "any", weightsType),
      bias: bias === undefined ? undefined : program.plain(bias),
      dst: describeMemory(library, program.shape(dst), layout, precision),
    },
    attributes,
  );
}

/** An implementation of one call. */
function single(
  program: Program,
  { direction, bias }: Convolution,
  name: string,
  primitive: PrimitiveDescriptor,
): Formulation {
  const biasMemory = bias === undefined ? undefined : program.plain(bias);
  const memory = memoryOf(primitive, direction, biasMemory);
  const { at } = roles[direction];
  const taking =
    bias === undefined ? (["src", "weights", "dst"] as const) : (["src", "weights", "bias", "dst"] as const);
  return {
    name,
    memory,
    parts: [{ primitive, arguments: taking.map((role) => ({ index: at[role], role })) }],
  };
}

/** The roles of each direction's result and inputs. */
const flows = {
  forward: { inputs: ["src", "weights", "bias"], output: "dst" },
  "backward data": { inputs: ["dst", "weights"], output: "src" },
  "backward weights": { inputs: ["src", "dst"], output: "weights" },
} as const;

function candidate(program: Program, call: Convolution, formulation: Formulation): ConvolutionCandidate {
  const { direction, src, dst } = call;
  const { memory } = formulation;
  const reorders = {
    forward: [...reorderOfImage(program, src, memory.src, "into"), ...reorderOfImage(program, dst, memory.dst, "from")],
    "backward data": [
      ...reorderOfImage(program, dst, memory.dst, "into"),
      ...reorderOfImage(program, src, memory.src, "from"),
    ],
    "backward weights": [
      ...reorderOfImage(program, src, memory.src, "into"),
      ...reorderOfImage(program, dst, memory.dst, "into"),
    ],
  };
  return {
    ...formulation,
    ...flows[direction],
    operands: {
      src: { descriptor: memory.src },
      weights: { descriptor: memory.weights },
      dst: { descriptor: memory.dst },
      ...(memory.bias === undefined ? {} : { bias: { descriptor: memory.bias } }),
      ...formulation.work,
    },
    ownBytes: ownBytesOf(formulation),
    reorders: reorders[direction],
  };
}

/** Additional bytes: work memory, and a result that must keep its zeros. */
function ownBytesOf({ work = {}, writesPart = false, memory }: Formulation): number {
  const bytes = Object.values(work).reduce((sum, { descriptor }) => sum + descriptor.bytes, 0);
  return bytes + (writesPart ? memory.src.bytes : 0);
}

type Reorders = readonly (readonly [MemoryDescriptor, MemoryDescriptor])[];

/** Adds the reorders of weights to `candidate`, given the layouts that earlier steps have defined. */
export function withWeights(
  program: Program,
  call: Convolution,
  candidate: ConvolutionCandidate,
): ConvolutionCandidate {
  const weights =
    call.direction === "backward weights"
      ? gradientReorder(program, call, candidate.memory)
      : weightsReorder(program, call.weights, candidate.memory);
  return { ...candidate, reorders: [...candidate.reorders, ...weights] };
}

/** The reorder of weights, if no earlier step has defined them in the layout of the candidate. */
function weightsReorder(program: Program, weights: string, { weights: wanted }: ConvolutionMemory): Reorders {
  const known = program.layouts(weights);
  const isThere = known.some((layout) => samePlaces(program.library, layout, wanted));
  return known[0] === undefined || isThere ? [] : reorderOfOneShape(known[0], wanted);
}

/**
 * The optimizer needs a gradient in the layout of its weights. In f32, the forward step has chosen that layout. In
 * bf16, weights have the layout of their gradient, and the forward step reorders them.
 */
function gradientReorder(program: Program, call: Convolution, { weights: made }: ConvolutionMemory): Reorders {
  const optimizer = program.graph.nodes.find(({ op, inputs }) => isWeightStep(op) && inputs[1] === call.weights);
  const [home] = program.layouts(optimizer?.inputs[0] ?? "");
  if (program.precision === "f32") {
    return home === undefined || samePlaces(program.library, home, made) ? [] : reorderOfOneShape(made, home);
  }
  return reorderOfOneShape(made, forwardHint(program, call, program.precision).memory("weights"));
}

/** Grouped weights have one more axis in oneDNN. Its cost is the same for all candidates. */
function reorderOfOneShape(from: MemoryDescriptor, to: MemoryDescriptor): Reorders {
  return sameShape(from.shape, to.shape) && isBlocked(from) && isBlocked(to) ? [[from, to]] : [];
}

function memoryOf(
  primitive: PrimitiveDescriptor,
  direction: ConvolutionDirection,
  bias: MemoryDescriptor | undefined,
): ConvolutionMemory {
  const { query } = roles[direction];
  return {
    src: primitive.memory(query.src),
    weights: primitive.memory(query.weights),
    bias,
    dst: primitive.memory(query.dst),
  };
}

/** The reorder of an image: `into` the layout that the primitive reads, or `from` the layout that it writes. */
function reorderOfImage(program: Program, value: string, descriptor: MemoryDescriptor, way: "into" | "from"): Reorders {
  if (isImage(program, value)) return [];
  const own = program.preferred(program.shape(value));
  if (samePlaces(program.library, own, descriptor)) return [];
  return [way === "into" ? [own, descriptor] : [descriptor, own]];
}

/** Forward operation with the same shapes, which the library needs to describe a backward operation. */
function forwardHint(program: Program, call: Convolution, precision: Precision): PrimitiveDescriptor {
  const { library } = program;
  const operation = describe(program, { ...call, direction: "forward" }, "direct", "any", precision);
  const hint = firstImplementation(library, operation);
  program.own(hint);
  return hint;
}

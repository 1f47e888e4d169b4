/**
 * All-reduces over ranks. The gradients of a bucket are contiguous: each is computed at its position in the bucket, in
 * the layout that its optimizer step reads, so nothing is packed, unpacked or reordered. All-reduces continue while
 * later steps run (`plan.ts`).
 */
import { collectives } from "../../../distributed/collectives.ts";
import type { Node } from "../../../graph/graph.ts";
import { correctionTerms } from "../../reference/collectives.ts";
import { argument } from "../ffi/constants.ts";
import { describeMemory } from "../ffi/memory.ts";
import { normalizationForward } from "../ffi/operations.ts";
import { firstImplementation } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import { floatsOf, type View } from "../planner/steps.ts";
import { emitElementwise } from "./elementwise.ts";
import { mayOverwrite } from "./host.ts";

/** Alignment of the parts of a bucket, in bytes. */
const ALIGNMENT = 64;

/** The buckets of each program: the whole memory and its parts. */
const buckets = new WeakMap<Program, Map<string, Bucket>>();

interface Bucket {
  readonly whole: View;
  readonly parts: readonly View[];
}

export function lowerAllReduceBegin(node: Node<"all_reduce_begin">, program: Program): void {
  const { bucket, layouts } = node.attributes;
  let bytes = 0;
  const placed = node.inputs.map((value, index) => {
    const parameter = layouts[index] ?? "";
    const layout = parameter === "" ? program.plain(value) : program.home(parameter).descriptor;
    const made = program.use(value, layout);
    // Later steps that read the local value must not find the sum there.
    const view = mayOverwrite(node, [index], program) && program.mayMove(made) ? made : program.allocate(layout);
    if (view !== made) program.reorder(value, made, view);
    const offset = bytes;
    bytes += Math.ceil(layout.bytes / ALIGNMENT) * ALIGNMENT;
    return { view, offset };
  });
  const count = bytes / Float32Array.BYTES_PER_ELEMENT;
  const whole = program.allocate(describeMemory(program.library, [count], "plain"));
  for (const { view, offset } of placed) program.placeInside(view.slot, whole.slot, offset);
  const parts = placed.map(({ view }) => view);
  for (const [index, part] of parts.entries()) program.alias(node.outputs[index] ?? "", part);
  bucketsOf(program).set(bucket, { whole, parts });
  program.emitHost(node, "MPI_Iallreduce", [whole], [whole], (placement) => {
    const address = placement.memory.address + BigInt(placement.offset(whole.slot));
    return () => collectives().begin(bucket, address, count);
  });
}

export function lowerAllReduceEnd(node: Node<"all_reduce_end">, program: Program): void {
  const { bucket } = node.attributes;
  const { whole, parts } = bucketsOf(program).get(bucket) as Bucket;
  program.emitHost(node, "MPI_Test until done", [whole], [whole], () => () => void collectives().end(bucket));
  for (const [index, part] of parts.entries()) program.alias(node.outputs[index] ?? "", part);
}

function bucketsOf(program: Program): Map<string, Bucket> {
  const known = buckets.get(program);
  if (known !== undefined) return known;
  const made = new Map<string, Bucket>();
  buckets.set(program, made);
  return made;
}

/** Batch statistics. The library computes them only together with normalised images, which are not used. */
export function lowerBatchStatistics(node: Node<"batch_statistics">, program: Program): void {
  const { library } = program;
  const [src = ""] = node.inputs;
  const [mean = "", variance = ""] = node.outputs;
  const data = program.image(src);
  const options = { epsilon: 1, statistics: "batch", fuseRelu: false } as const;
  const primitive = firstImplementation(library, normalizationForward(library, data.descriptor, true, options));
  const unused = (): View => program.allocate(program.plain(mean));
  program.emitPrimitive(node, primitive, [
    [argument.src, data],
    [argument.scale, unused()],
    [argument.shift, unused()],
    [argument.mean, program.define(mean, program.plain(mean))],
    [argument.variance, program.define(variance, program.plain(variance))],
    [argument.dst, program.allocate(data.descriptor)],
  ]);
}

/** The correction, as a normalization of src that is added to the gradient with constant statistics. */
export function lowerNormalizationCorrection(node: Node<"batch_normalization_correction">, program: Program): void {
  const { library } = program;
  const [src = "", mean = "", variance = "", , partial = ""] = node.inputs;
  const [diffSrc = ""] = node.outputs;
  const data = program.image(src);
  const gradient = program.use(partial, data.descriptor);
  const vectors = [1, 2, 3, 5, 6].map((index) => program.use(node.inputs[index] ?? "", program.plain(mean)));
  const [scale, shift] = [program.allocate(program.plain(mean)), program.allocate(program.plain(mean))];
  const [batch = 1, channels = 1, ...pixels] = program.shape(src);
  const size = pixels.reduce((product, extent) => product * extent, batch);
  program.emitHost(node, "host", vectors, [scale, shift], (placement) => {
    const [means, variances, weights, diffScales, diffShifts] = vectors.map((view) => ({
      dtype: "f32" as const,
      shape: [channels],
      data: floatsOf(view, placement),
    }));
    const none = { dtype: "f32" as const, shape: [0], data: new Float32Array(0) };
    const inputs = [none, means, variances, weights, none, diffScales, diffShifts].map((value) => value ?? none);
    const [scales, shifts] = [floatsOf(scale, placement), floatsOf(shift, placement)];
    return () => {
      const terms = correctionTerms({ inputs, attributes: node.attributes }, size);
      scales.set(terms.scale);
      shifts.set(terms.shift);
    };
  });
  const correction = program.allocate(data.descriptor);
  const options = { epsilon: node.attributes.epsilon, statistics: "running", fuseRelu: false } as const;
  const normalization = firstImplementation(library, normalizationForward(library, data.descriptor, false, options));
  program.emitPrimitive(node, normalization, [
    [argument.src, data],
    [argument.scale, scale],
    [argument.shift, shift],
    [argument.mean, program.use(mean, program.plain(mean))],
    [argument.variance, program.use(variance, program.plain(variance))],
    [argument.dst, correction],
  ]);
  const dst = program.define(diffSrc, data.descriptor);
  emitElementwise(node, program, { kind: "add", sources: [gradient, correction], dst });
}

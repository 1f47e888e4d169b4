/**
 * Shape inference, with one rule per op that also checks whether the node is legal. On an illegal node it throws a
 * `UserError` that names the node, because graphs may come from users' files.
 */
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import { elementCount, formatShape, type Shape, sameShape } from "../core/tensor.ts";
import type { Graph, Node } from "./graph.ts";
import type { Attributes, OpName } from "./ops.ts";
import { mostInputs } from "./shapes/arity.ts";
import { multiplied, multipliedBack } from "./shapes/matrices.ts";
import { depthToSpace, gathered, reshaped, spaceToDepth } from "./shapes/movement.ts";
import { resampled } from "./shapes/resampling.ts";
import { bindBatch, type ShapeContext, type ShapeRule } from "./shapes/rule.ts";
import { broadcast, normalizedShape, reducedShape } from "./shapes/statistics.ts";
import { convolved, deconvolved, layerRule, pooled, pooledGlobally } from "./shapes/windows.ts";

export { bindBatch } from "./shapes/rule.ts";

function sameAsFirst({ input }: { input(index: number): Shape }): readonly Shape[] {
  return [input(0)];
}

function sameAsAll({ input, inputCount }: ShapeContext<OpName>): readonly Shape[] {
  return Array.from({ length: inputCount }, (_, index) => input(index));
}

function perChannel<K extends OpName>({ input, check }: ShapeContext<K>, ...indices: number[]): number {
  const channels = input(0)[1] ?? 0;
  for (const index of indices) {
    check(sameShape(input(index), [channels]), `input ${index} of shape [${channels}]`, formatShape(input(index)));
  }
  return channels;
}

const rules: { readonly [K in OpName]: ShapeRule<K> } = {
  convolution: layerRule(convolved),
  deconvolution: layerRule(deconvolved),
  batch_normalization: (context) => {
    perChannel(context, 1, 2, 3, 4);
    return sameAsFirst(context);
  },
  relu: sameAsFirst,
  clip: ({ input, attributes: { minimum, maximum }, check }) => {
    check(minimum <= maximum, "a minimum of at most the maximum", `${minimum} … ${maximum}`);
    return [input(0)];
  },
  activation: sameAsFirst,
  softmax: ({ input, attributes: { axis = 1 }, check }) => {
    const rank = input(0).length;
    check(axis >= 1 && axis < Math.max(rank, 2), `an axis of 1 … ${rank - 1}`, `${axis}`);
    return [input(0)];
  },
  add: ({ input, check }) => {
    check(sameShape(input(0), input(1)), `both of shape ${formatShape(input(0))}`, formatShape(input(1)));
    return [input(0)];
  },
  multiply: ({ input, check }) => {
    const [a, b] = [input(0), input(1)];
    const isAlike = (extent: number, axis: number): boolean =>
      extent === b[axis] || (axis > 0 && (extent === 1 || b[axis] === 1));
    check(a.length === b.length && a.every(isAlike), `a shape that fits ${formatShape(a)}`, formatShape(b));
    return [a.map((extent, axis) => Math.max(extent, b[axis] ?? extent))];
  },
  binary: broadcast,
  matmul: multiplied,
  reduction: reducedShape,
  normalization: normalizedShape,
  local_response_normalization: ({ input, attributes: { size }, check }) => {
    check(size >= 1, "a size of 1 or more", `${size}`);
    return [input(0)];
  },
  prelu: ({ input, check }) => {
    const channels = input(0)[1] ?? 1;
    const [slopes = 0] = input(1, 1);
    check(slopes === 1 || slopes === channels, `1 or ${channels} slopes`, `${slopes}`);
    return [input(0)];
  },
  gain: (context) => {
    perChannel(context, 1);
    return sameAsFirst(context);
  },
  bias: (context) => {
    perChannel(context, 1);
    return sameAsFirst(context);
  },
  concatenation: ({ input, inputCount, check }) => {
    check(input(0).length > 1, "inputs that have channels", formatShape(input(0)));
    let channels = 0;
    for (let index = 0; index < inputCount; index++) {
      const shape = input(index);
      channels += shape[1] ?? 0;
      check(
        shape.length > 1 && sameShape(shape.with(1, 0), input(0).with(1, 0)),
        `shapes equal to ${formatShape(input(0))} but for the channels`,
        formatShape(shape),
      );
    }
    return [input(0).with(1, channels)];
  },
  max_pooling: pooled,
  average_pooling: pooled,
  global_average_pooling: pooledGlobally,
  linear: ({ input, inputCount, check }) => {
    const [batch = 0, features = 0] = input(0, 2);
    const [outputs = 0, expected = 0] = input(1, 2);
    check(features === expected, `${expected} input features`, `${features}`);
    if (inputCount > 2) check(sameShape(input(2), [outputs]), `bias of shape [${outputs}]`, formatShape(input(2)));
    return [[batch, outputs]];
  },
  lookup: ({ input, attributes: { column }, check }) => {
    const [batch = 0, ...numbers] = input(0);
    const count = elementCount(numbers);
    check(column < count, `a column of 0 … ${count - 1}`, `${column}`);
    return [[batch, input(1, 2)[1] ?? 0]];
  },
  flatten: ({ input }) => {
    const [batch = 0, ...rest] = input(0);
    return [[batch, elementCount(rest)]];
  },
  upsampling: ({ input, attributes: { factors } }) => {
    const [batch = 0, channels = 0, height = 0, width = 0] = input(0, 4);
    return [[batch, channels, height * factors[0], width * factors[1]]];
  },
  resampling: resampled,
  reshape: reshaped,
  gather: gathered,
  depth_to_space: depthToSpace,
  space_to_depth: spaceToDepth,
  transpose: ({ input, attributes: { permutation }, check }) => {
    const shape = input(0);
    const isPermutation = shape.every((_, axis) => permutation.includes(axis)) && permutation.length === shape.length;
    check(isPermutation && permutation[0] === 0, `axes 0…${shape.length - 1}, the batch first`, `${permutation}`);
    return [permutation.map((axis) => shape[axis] ?? 0)];
  },
  pad: ({ input, attributes: { before, after }, check }) => {
    const shape = input(0);
    check(
      before.length === shape.length && after.length === shape.length,
      `paddings of ${shape.length} axes`,
      formatShape(before),
    );
    check(before[0] === 0 && after[0] === 0, "no padding of the batch", `${before[0]}, ${after[0]}`);
    return [shape.map((dimension, axis) => dimension + (before[axis] ?? 0) + (after[axis] ?? 0))];
  },
  slice: ({ input, attributes, check, batch }) => [sliced(input(0), attributes, batch, check)],
  scale: ({ input, attributes: { axis, first }, check }) => {
    const channels = input(0)[axis] ?? 0;
    const [factors = 0] = input(1, 1);
    if (first !== undefined) {
      check(first >= 0 && first + channels <= factors, `${channels} factors from ${first} on`, `${factors} factors`);
      return [input(0)];
    }
    check(factors > 0 && channels % factors === 0, `a number of factors that divides ${channels}`, `${factors}`);
    return [input(0)];
  },

  batch_normalization_training: (context) => {
    const channels = perChannel(context, 1, 2);
    return [context.input(0), [channels], [channels]];
  },
  fake_quantize: ({ input, check }) => {
    check(sameShape(input(1), [2]), "a range of shape [2]", formatShape(input(1)));
    return [input(0), [2]];
  },
  fake_quantize_backward: ({ input, check }) => {
    check(sameShape(input(2), input(0)), `diff_dst of shape ${formatShape(input(0))}`, formatShape(input(2)));
    return [input(0)];
  },
  fake_quantize_weights: sameAsFirst,
  softmax_cross_entropy: ({ input, check }) => {
    const [batch = 0, features = 0] = input(0, 2);
    check(sameShape(input(1), [batch]), `labels of shape [${batch}]`, formatShape(input(1)));
    return [[], [batch, features], []];
  },
  taught_loss: ({ input, attributes: { outputs }, check }) => {
    for (const index of outputs.keys()) {
      const [own, taught] = [input(index), input(outputs.length + index)];
      check(sameShape(own, taught), `the teacher's output of shape ${formatShape(own)}`, formatShape(taught));
      const term = outputs[index];
      if (term?.kind !== "channels") continue;
      const channels = own.at(term.hasChannelsLast === true ? -1 : 1) ?? 1;
      check(term.variances.length === channels, `${channels} variances`, `${term.variances.length}`);
    }
    return [[], ...outputs.map((_, index) => input(index)), []];
  },
  soft_cross_entropy: ({ input, inputCount, attributes: { terms }, check }) => {
    const logits = input(0, 2);
    check(inputCount === terms.length + 1 && inputCount > 1, `${terms.length} inputs of targets`, `${inputCount - 1}`);
    for (let index = 1; index < inputCount; index++) {
      check(sameShape(input(index), logits), `targets of shape ${formatShape(logits)}`, formatShape(input(index)));
    }
    return [[], logits, []];
  },
  convolution_backward_data: ({ input, attributes, batch, check }) => {
    const srcShape = bindBatch(attributes.srcShape, batch);
    const dst = convolved(srcShape, input(1, srcShape.length), attributes, check);
    check(sameShape(dst, input(0)), `diff_dst of shape ${formatShape(dst)}`, formatShape(input(0)));
    return [srcShape];
  },
  convolution_backward_weights: ({ input, attributes, check }) => {
    const dst = convolved(input(0, attributes.weightsShape.length), attributes.weightsShape, attributes, check);
    check(sameShape(dst, input(1)), `diff_dst of shape ${formatShape(dst)}`, formatShape(input(1)));
    const [outputs = 0] = attributes.weightsShape;
    return attributes.withBias ? [attributes.weightsShape, [outputs]] : [attributes.weightsShape];
  },
  deconvolution_backward_data: ({ input, attributes, batch, check }) => {
    const srcShape = bindBatch(attributes.srcShape, batch);
    const dst = deconvolved(srcShape, input(1, srcShape.length), attributes, check);
    check(sameShape(dst, input(0)), `diff_dst of shape ${formatShape(dst)}`, formatShape(input(0)));
    return [srcShape];
  },
  deconvolution_backward_weights: ({ input, attributes, check }) => {
    const dst = deconvolved(input(0, attributes.weightsShape.length), attributes.weightsShape, attributes, check);
    check(sameShape(dst, input(1)), `diff_dst of shape ${formatShape(dst)}`, formatShape(input(1)));
    const [outputs = 0] = attributes.weightsShape;
    return attributes.withBias ? [attributes.weightsShape, [outputs]] : [attributes.weightsShape];
  },
  batch_normalization_training_backward: (context) => {
    const channels = perChannel(context, 1, 2, 3);
    return [context.input(0), [channels], [channels]];
  },
  batch_normalization_backward: (context) => {
    const channels = perChannel(context, 1, 2, 3);
    return [context.input(0), [channels], [channels]];
  },
  relu_backward: sameAsFirst,
  clip_backward: sameAsFirst,
  max_pooling_backward: sameAsFirst,
  average_pooling_backward: ({ attributes, batch }) => [bindBatch(attributes.srcShape, batch)],
  global_average_pooling_backward: ({ attributes, batch }) => [bindBatch(attributes.srcShape, batch)],
  linear_backward_data: ({ input }) => [[input(0, 2)[0] ?? 0, input(1, 2)[1] ?? 0]],
  linear_backward_weights: ({ input, attributes }) => {
    const features = input(0, 2)[1] ?? 0;
    const outputs = input(1, 2)[1] ?? 0;
    return attributes.withBias ? [[outputs, features], [outputs]] : [[outputs, features]];
  },
  activation_backward: sameAsFirst,
  softmax_backward: sameAsFirst,
  multiply_backward: ({ attributes, batch }) => [bindBatch(attributes.srcShape, batch)],
  binary_backward: ({ attributes, batch }) => [bindBatch(attributes.srcShape, batch)],
  matmul_backward: multipliedBack,
  reduction_backward: sameAsFirst,
  normalization_backward: sameAsFirst,
  local_response_normalization_backward: sameAsFirst,
  prelu_backward: ({ input }) => [input(0), input(1)],
  lookup_backward: ({ input, attributes: { rows } }) => [[rows, input(1)[1] ?? 0]],
  flatten_backward: ({ attributes, batch }) => [bindBatch(attributes.srcShape, batch)],
  upsampling_backward: ({ attributes, batch }) => [bindBatch(attributes.srcShape, batch)],
  resampling_backward: ({ attributes, batch }) => [bindBatch(attributes.srcShape, batch)],
  gather_backward: ({ attributes, batch }) => [bindBatch(attributes.srcShape, batch)],
  slice_backward: ({ input, attributes, batch, check }) => {
    const srcShape = bindBatch(attributes.srcShape, batch);
    const dst = sliced(srcShape, attributes, batch, check);
    check(sameShape(dst, input(0)), `diff_dst of shape ${formatShape(dst)}`, formatShape(input(0)));
    return [srcShape];
  },
  scale_backward_factor: ({ attributes }) => [[attributes.factors]],
  bias_backward: ({ input }) => [[input(0)[1] ?? 0]],
  clip_factor: ({ inputCount, check }) => {
    check(inputCount > 0, "gradients", "none");
    return [[]];
  },
  nesterov_sgd: ({ input }) => [input(0), input(2)],
  muon: ({ input }) => [input(0), input(2)],
  accelerated_proximal_gradient: ({ input }) => [input(0), input(2)],
  zero_margin: ({ input }) => [input(4), input(5)],
  all_reduce_begin: sameAsAll,
  all_reduce_end: sameAsAll,
  batch_statistics: ({ input }) => {
    const channels = input(0)[1] ?? 0;
    return [[channels], [channels]];
  },
  all_reduce_statistics: sameAsAll,
  batch_normalization_correction: (context) => {
    perChannel(context, 1, 2, 3, 5, 6);
    const { check, input } = context;
    check(sameShape(input(4), input(0)), `diff_src of shape ${formatShape(input(0))}`, formatShape(input(4)));
    return [input(0)];
  },
  running_average: sameAsFirst,
};

function sliced(
  shape: Shape,
  { starts, ends, steps }: Attributes<"slice">,
  batch: number,
  check: ShapeContext<"slice">["check"],
): Shape {
  check(starts.length === shape.length, `bounds of ${shape.length} axes`, formatShape(starts));
  return shape.map((dimension, axis) => {
    const start = starts[axis] ?? 0;
    const symbolicEnd = ends[axis] ?? dimension;
    const end = symbolicEnd === "N" ? batch : symbolicEnd;
    const step = steps[axis] ?? 1;
    check(
      start >= 0 && end <= dimension && start < end && step >= 1,
      `bounds inside 0…${dimension} on axis ${axis}`,
      `${start}:${end}:${step}`,
    );
    return Math.ceil((end - start) / step);
  });
}

/**
 * The shapes of the outputs of one node, given those of its inputs. Throws `UserError("bad-graph")` if it is illegal.
 */
export function inferNode(node: Node, inputs: readonly Shape[], batch: number): readonly Shape[] {
  const illegal = (expected: string, received: string): UserError =>
    new UserError("bad-graph", "illegal node", {
      about: `${node.op} "${node.name}"`,
      expected,
      received,
      hint: "Correct this node's attributes, or the nodes that compute its inputs",
    });
  const context = {
    attributes: node.attributes,
    batch,
    inputCount: inputs.length,
    input: (index: number, rank?: number): Shape => {
      const shape = inputs[index];
      if (shape === undefined) throw illegal(`an input ${index}`, `${inputs.length} inputs`);
      if (rank !== undefined && shape.length !== rank)
        throw illegal(`input ${index} of rank ${rank}`, formatShape(shape));
      return shape;
    },
    check: (condition: boolean, expected: string, received: string): void => {
      if (!condition) throw illegal(expected, received);
    },
  };
  if (inputs.length > mostInputs(node.op)) throw illegal(`at most ${mostInputs(node.op)} inputs`, `${inputs.length}`);
  // The table is total and keyed by the node's own op; TypeScript cannot follow the correlation through the union.
  const rule = rules[node.op] as ShapeRule<OpName>;
  return rule(context as ShapeContext<OpName>);
}

/**
 * The shape of every value of `graph` for a batch size of `batch`. Throws `UserError("bad-graph")` on an illegal node.
 */
export function inferShapes(graph: Graph, batch: number): Map<string, Shape> {
  requireArguments("inferShapes", { graph: [graph, "graph"], batch: [batch, "whole number"] });
  const shapes = new Map<string, Shape>();
  for (const input of graph.inputs) shapes.set(input.name, bindBatch(input.shape, batch));
  for (const parameter of graph.parameters) shapes.set(parameter.name, parameter.shape);
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => {
      const shape = shapes.get(name);
      if (shape === undefined) {
        throw new UserError("bad-graph", `reads "${name}", which no node before it computes`, {
          about: `${node.op} "${node.name}"`,
          hint: "Put nodes in the order in which they run, and declare inputs and parameters",
        });
      }
      return shape;
    });
    const outputs = inferNode(node, inputs, batch);
    node.outputs.forEach((name, index) => {
      const shape = outputs[index];
      if (shape === undefined || shapes.has(name)) {
        const problem = shape === undefined ? "the op has no such output" : "another node has it too";
        throw new UserError("bad-graph", `output ${index} ("${name}") is illegal: ${problem}`, {
          about: `${node.op} "${node.name}"`,
          hint: "Let each value be the output of exactly one node",
        });
      }
      shapes.set(name, shape);
    });
  }
  for (const output of [...graph.outputs, ...graph.updates.map((update) => update.value)]) {
    if (!shapes.has(output))
      throw new UserError("bad-graph", `no node computes the output "${output}"`, {
        about: graph.name,
        hint: "Name the output of a node",
      });
  }
  return shapes;
}

/** The initial weights of a network. */
import { requireArguments } from "../core/arguments.ts";
import { RandomStream } from "../core/random.ts";
import { elementCount, filled, type Tensor, tensor } from "../core/tensor.ts";
import type { Graph, InitialWeights, Parameter, ParameterKind, Weights } from "../graph/graph.ts";

/** The initial value of every parameter that is not drawn at random. */
export const initialConstants: Readonly<Record<Exclude<ParameterKind, "weights">, number>> = {
  bias: 0,
  scale: 1,
  shift: 0,
  running_mean: 0,
  running_variance: 1,
  factor: 1,
  constant: 1,
  velocity: 0,
  held: 0,
  margin: 0,
  range: 0,
};

/**
 * Initial values for every parameter of `graph`. Weights start as their `initial` says; by default they are normal with
 * variance 2 / fan-in (He et al., "Delving Deep into Rectifiers", ICCV 2015, equation 10). A batch norm starts as the
 * identity, biases at 0, scaling factors at 1. Each tensor has its own random stream of `seed`, named after the
 * parameter, so an added layer does not change the values of the others. Weights that are to whiten need images, which
 * only a run has: here they start as normal.
 */
export function initialize(graph: Graph, seed: number): Weights {
  requireArguments("initialize", { graph: [graph, "graph"], seed: [seed, "whole number"] });
  return new Map(graph.parameters.map((parameter) => [parameter.name, initialValue(parameter, seed)]));
}

function initialValue({ name, shape, kind, initial = { kind: "normal" } }: Parameter, seed: number): Tensor {
  if (kind !== "weights") return filled(shape, initialConstants[kind]);
  const draw = drawer(initial, elementCount(shape.slice(1)), new RandomStream(seed, `weights:${name}`));
  const values = tensor(shape);
  for (let index = 0; index < values.data.length; index++) values.data[index] = draw();
  if (initial.kind === "identity") copyChannels(values);
  return values;
}

function drawer({ kind }: InitialWeights, fanIn: number, random: RandomStream): () => number {
  if (kind === "normal" || kind === "whitening") {
    const deviation = Math.sqrt(2 / fanIn);
    return () => deviation * random.normal();
  }
  const bound = 1 / Math.sqrt(fanIn);
  return () => bound * (2 * random.uniform() - 1);
}

/**
 * Makes output channel i, as long as there is an input channel i, a copy of it: its filter is 1 at the middle of that
 * channel and 0 elsewhere. With groups, input channels are those of the group.
 */
function copyChannels({ shape, data }: Tensor): void {
  const [outputs = 0, inputs = 0, ...kernel] = shape;
  const taps = elementCount(kernel);
  const middle = kernel.reduce((place, extent) => place * extent + Math.floor(extent / 2), 0);
  for (let channel = 0; channel < Math.min(outputs, inputs); channel++) {
    const first = channel * inputs * taps;
    data.fill(0, first, first + inputs * taps);
    data[first + channel * taps + middle] = 1;
  }
}

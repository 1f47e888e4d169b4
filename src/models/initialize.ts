/** The initial weights of a network. */
import { requireArguments } from "../core/arguments.ts";
import { RandomStream } from "../core/random.ts";
import { elementCount, filled, type Tensor, tensor } from "../core/tensor.ts";
import type { Graph, Parameter, ParameterKind, Weights } from "../graph/graph.ts";

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
};

/**
 * Initial values for every parameter of `graph`. Weights are normal with variance 2 / fan-in (He et al., "Delving Deep
 * into Rectifiers", ICCV 2015, equation 10). A batch norm starts as the identity, biases at 0, scaling factors at 1.
 * Each tensor has its own random stream of `seed`, named after the parameter, so an added layer does not change the
 * values of the others.
 */
export function initialize(graph: Graph, seed: number): Weights {
  requireArguments("initialize", { graph: [graph, "graph"], seed: [seed, "whole number"] });
  return new Map(graph.parameters.map((parameter) => [parameter.name, initialValue(parameter, seed)]));
}

function initialValue({ name, shape, kind }: Parameter, seed: number): Tensor {
  if (kind !== "weights") return filled(shape, initialConstants[kind]);
  const random = new RandomStream(seed, `weights:${name}`);
  const deviation = Math.sqrt(2 / elementCount(shape.slice(1)));
  const values = tensor(shape);
  for (let index = 0; index < values.data.length; index++) values.data[index] = deviation * random.normal();
  return values;
}

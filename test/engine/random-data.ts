/** Values for test graphs, the same in every run. */
import { RandomStream } from "../../src/core/random.ts";
import { elementCount, type Labels, type Shape, type Tensor, tensor } from "../../src/core/tensor.ts";
import type { Feeds } from "../../src/engine/engine.ts";
import type { Graph, Parameter, Weights } from "../../src/graph/graph.ts";
import { bindBatch } from "../../src/graph/shapes.ts";

/**
 * Values in (−1, 1) that are all different, by at least 2 / count, and half of that away from zero: a finite difference
 * with a smaller step crosses no kink of a ReLU or a maximum.
 */
export function spread(shape: Shape, seed: number, name: string): Tensor {
  const count = elementCount(shape);
  const order = new RandomStream(seed, name).permutation(count);
  // An odd count would put its middle value on zero; one more step moves it off.
  const steps = count + (count % 2);
  return tensor(
    shape,
    Float32Array.from(order, (rank) => (2 * rank + 1) / steps - 1),
  );
}

export function normal(shape: Shape, seed: number, name: string): Tensor {
  const stream = new RandomStream(seed, name);
  return tensor(
    shape,
    Float32Array.from({ length: elementCount(shape) }, () => stream.normal()),
  );
}

export function labels(batch: number, classes: number, seed: number): Labels {
  const stream = new RandomStream(seed, "labels");
  return { dtype: "i32", shape: [batch], data: Int32Array.from({ length: batch }, () => stream.integer(classes)) };
}

/** `spread` values for every float input of `graph`, and 0, 1 and 2 for those of integers. */
export function randomFeeds(graph: Graph, batch: number, seed: number): Feeds {
  return Object.fromEntries(
    graph.inputs
      .filter(({ dtype }) => dtype === "f32")
      .map(({ name, shape, integer }) => {
        const values = spread(bindBatch(shape, batch), seed, name);
        return [
          name,
          integer === undefined
            ? values
            : tensor(
                values.shape,
                values.data.map((_, place) => place % 3),
              ),
        ];
      }),
  );
}

function randomValue(parameter: Parameter, stream: RandomStream): number {
  switch (parameter.kind) {
    case "weights":
      return stream.normal() * Math.sqrt(2 / elementCount(parameter.shape.slice(1)));
    case "bias":
    case "shift":
    case "running_mean":
      return 0.3 * stream.normal();
    case "scale":
    case "running_variance":
    case "factor":
    case "constant":
      return 0.5 + stream.uniform();
    case "velocity":
    case "held":
    case "margin":
      return 0;
    case "range":
      return stream.normal();
  }
}

/** Values of every parameter of `graph`, of the size that a trained network has. */
export function randomWeights(graph: Graph, seed: number): Weights {
  return new Map(
    graph.parameters.map((parameter) => {
      const stream = new RandomStream(seed, parameter.name);
      const data = Float32Array.from({ length: elementCount(parameter.shape) }, () => randomValue(parameter, stream));
      return [parameter.name, tensor(parameter.shape, data)] as const;
    }),
  );
}

/** max |a − b| / max |b|; the absolute difference where b is all zero. NaN if any value is. */
export function relativeDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.NaN;
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < b.length; i++) {
    difference = Math.max(difference, Math.abs((a[i] ?? Number.NaN) - (b[i] ?? Number.NaN)));
    largest = Math.max(largest, Math.abs(b[i] ?? Number.NaN));
  }
  return largest === 0 ? difference : difference / largest;
}

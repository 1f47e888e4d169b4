/**
 * Reverse-mode differentiation: a walk over the graph from its last node to its first. The gradient of value v is the
 * value `v.diff`. If several nodes read v, their contributions `v.diff.0`, `v.diff.1` … are summed one by one. The walk
 * computes only gradients that lead to a source: none of the images, and none before the first trained layer.
 */
import { invariant, required } from "../core/errors.ts";
import type { Shape } from "../core/tensor.ts";
import { type Graph, makeNode, type Node } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";
import { type DifferentiableOpName, type GradientContext, type GradientRule, gradientRules } from "./gradients.ts";

export interface Differentiation {
  /** The backward nodes, in execution order. They belong after the nodes of the forward graph. */
  readonly nodes: readonly Node[];
  /** Value → the value that is its gradient, for every source that a seeded value depends on. */
  readonly gradients: ReadonlyMap<string, string>;
}

type DifferentiableNode = Node<DifferentiableOpName>;

function isDifferentiable(node: Node): node is DifferentiableNode {
  return node.op in gradientRules;
}

/**
 * The gradients of `sources` (parameters, inputs). `seeds` maps values to the values that are their gradients. A
 * gradient that only passes through a node (`add`) keeps its name.
 */
export function differentiate(
  forward: Graph,
  seeds: ReadonlyMap<string, string>,
  sources: ReadonlySet<string>,
): Differentiation {
  const wanted = dependents(forward, sources);
  const active = activeNodes(forward, new Set(seeds.keys()), wanted);
  const gradients = new GradientSums(contributionCounts(active, seeds, wanted));
  const shapes = inferShapes(forward, 1);
  for (const [value, gradient] of seeds) gradients.receive(value, gradient);
  for (const node of active) applyRule(node, wanted, shapes, gradients);
  return {
    nodes: gradients.nodes,
    gradients: new Map([...gradients.totals].filter(([value]) => sources.has(value))),
  };
}

/** `sources` and all values computed from them. */
function dependents(forward: Graph, sources: ReadonlySet<string>): ReadonlySet<string> {
  const result = new Set(sources);
  for (const node of forward.nodes) {
    if (isDifferentiable(node) && node.inputs.some((input) => result.has(input))) result.add(dstOf(node));
  }
  return result;
}

/** The nodes on a path from a wanted source to a seeded value, last first. */
function activeNodes(forward: Graph, seeded: ReadonlySet<string>, wanted: ReadonlySet<string>): DifferentiableNode[] {
  const reached = new Set(seeded);
  return forward.nodes.toReversed().filter((node): node is DifferentiableNode => {
    const isActive = isDifferentiable(node) && reached.has(dstOf(node)) && wanted.has(dstOf(node));
    if (isActive) for (const input of node.inputs) reached.add(input);
    return isActive;
  });
}

/** The number of contributions to the gradient of each value: one per read by an active node, and one per seed. */
function contributionCounts(
  active: readonly Node[],
  seeds: ReadonlyMap<string, string>,
  wanted: ReadonlySet<string>,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const value of [...seeds.keys(), ...active.flatMap(({ inputs }) => inputs)]) {
    if (wanted.has(value)) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}

function dstOf(node: Node): string {
  return required(node.outputs[0], `dst of node "${node.name}"`);
}

/** Gradients under construction, and the nodes that compute them. */
class GradientSums {
  readonly nodes: Node[] = [];
  /** Value → its gradient so far. */
  readonly totals = new Map<string, string>();
  readonly #expected: ReadonlyMap<string, number>;
  readonly #received = new Map<string, number>();

  constructor(expected: ReadonlyMap<string, number>) {
    this.#expected = expected;
  }

  /** The name for the next contribution to the gradient of `value`. */
  nextName(value: string): string {
    return this.#expected.get(value) === 1 ? `${value}.diff` : `${value}.diff.${this.#received.get(value) ?? 0}`;
  }

  receive(value: string, contribution: string): void {
    const count = (this.#received.get(value) ?? 0) + 1;
    this.#received.set(value, count);
    const total = this.totals.get(value);
    if (total === undefined) {
      this.totals.set(value, contribution);
      return;
    }
    const sum = count === this.#expected.get(value) ? `${value}.diff` : `${value}.diff.sum${count}`;
    this.nodes.push(makeNode("add", sum, [total, contribution], [sum], {}));
    this.totals.set(value, sum);
  }

  /** Throws an `InternalError` unless all contributions have arrived. */
  checkComplete(value: string): void {
    const received = this.#received.get(value) ?? 0;
    invariant(received === this.#expected.get(value), `the gradient of "${value}" lacks a contribution`);
  }
}

function applyRule(
  node: DifferentiableNode,
  wanted: ReadonlySet<string>,
  shapes: ReadonlyMap<string, Shape>,
  gradients: GradientSums,
): void {
  const dst = dstOf(node);
  gradients.checkComplete(dst);
  const diffDst = required(gradients.totals.get(dst), `gradient of "${dst}"`);
  const input = (index: number): string => required(node.inputs[index], `input ${index} of "${node.name}"`);
  const wants = (index: number): boolean => wanted.has(node.inputs[index] ?? "");
  const shape = (index: number): Shape => required(shapes.get(input(index)), `shape of "${input(index)}"`);
  const context = {
    attributes: node.attributes,
    inputCount: node.inputs.length,
    diffDst,
    input,
    wants,
    output: (index) => required(node.outputs[index], `output ${index} of "${node.name}"`),
    parameterShape: shape,
    activationShape: (index) => ["N", ...shape(index).slice(1)],
    emit: (role, op, inputs, targets, attributes) => {
      const name = `${node.name}.${role}`;
      const outputs = targets.map((target) =>
        wants(target) ? gradients.nextName(input(target)) : `${name}.unused_${target}`,
      );
      gradients.nodes.push(makeNode(op, name, inputs, outputs, attributes));
      targets.forEach((target, index) => {
        if (wants(target)) gradients.receive(input(target), required(outputs[index], "gradient just made"));
      });
    },
    pass: (target) => gradients.receive(input(target), diffDst),
  } satisfies GradientContext<DifferentiableOpName>;
  // The table is keyed by the node's own op; TypeScript cannot follow the correlation through the union.
  const rule = gradientRules[node.op] as GradientRule<DifferentiableOpName>;
  rule(context);
}

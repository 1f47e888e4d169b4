/** Applies a cut list to a network: a pure function from network to network. */
import { requireArguments } from "../core/arguments.ts";
import { required, UserError } from "../core/errors.ts";
import { take, tensor } from "../core/tensor.ts";
import { channelContext } from "../graph/analysis-coupling.ts";
import { channelRule } from "../graph/channels.ts";
import { makeNode, type Network, type Node, type Parameter } from "../graph/graph.ts";
import type { ForwardOpName } from "../graph/ops.ts";
import { withInputs, withoutDeadNodes } from "../graph/rewrite.ts";
import { inferShapes } from "../graph/shapes.ts";
import { bake } from "../selection/fold.ts";
import {
  type AxisCut,
  type BypassedNode,
  type ConstantBranch,
  type CutList,
  type CutStep,
  keptIndices,
} from "./cut-list.ts";

/**
 * Applies `list` to `network`. The list must have been made for this network or for one with the same graph. Factors
 * are folded into the weights first. Throws `UserError("bad-graph")` if the list does not fit the network.
 */
export function applyCuts(network: Network, list: CutList): Network {
  requireArguments("applyCuts", { network: [network, "network"], list: [list, "cut list"] });
  return list.steps.reduce(applyStep, bake(network));
}

/** `network` after one step. */
export function applyStep(network: Network, step: CutStep): Network {
  switch (step.kind) {
    case "bypass":
      return bypass(network, step.nodes);
    case "constant":
      return replaceConstants(network, step.branches);
    case "slice":
      return slice(network, step.slices);
  }
}

function notInNetwork(about: string): UserError {
  return new UserError("bad-graph", `the cut list names "${about}", which this network does not have`, {
    hint: "Apply a cut list to the network it was made for",
  });
}

/** Removes nodes that the outputs do not need, and the weights of parameters that no node reads. */
function withoutUnused({ graph, weights }: Network): Network {
  const alive = withoutDeadNodes(graph);
  return {
    graph: alive,
    weights: new Map(alive.parameters.map(({ name }) => [name, required(weights.get(name), `values of "${name}"`)])),
  };
}

function bypass({ graph, weights }: Network, bypassed: readonly BypassedNode[]): Network {
  const byName = new Map(bypassed.map((one) => [one.node, one] as const));
  const names = new Map<string, string>();
  const nodes: Node[] = [];
  const parameters: Parameter[] = [...graph.parameters];
  const values = new Map(weights);
  for (const original of graph.nodes) {
    const node = withInputs(original, names);
    const found = byName.get(node.name);
    if (found === undefined) {
      nodes.push(node);
      continue;
    }
    if (!original.inputs.includes(found.by)) throw notInNetwork(found.by);
    byName.delete(node.name);
    const by = names.get(found.by) ?? found.by;
    if (found.constant === undefined) {
      names.set(required(node.outputs[0], `output of "${node.name}"`), by);
      continue;
    }
    const bias: Parameter = { name: `${node.name}.bias`, shape: [found.constant.length], kind: "bias" };
    parameters.push(bias);
    values.set(bias.name, tensor(bias.shape, Float32Array.from(found.constant)));
    nodes.push(makeNode("bias", node.name, [by, bias.name], node.outputs, {}));
  }
  for (const name of byName.keys()) throw notInNetwork(name);
  return withoutUnused({ graph: { ...graph, nodes, parameters }, weights: values });
}

function scalesParameter({ op, attributes }: Node): boolean {
  return op === "scale" && "axis" in attributes && attributes.axis === 0;
}

function replaceConstants({ graph, weights }: Network, branches: readonly ConstantBranch[]): Network {
  const byName = new Map(branches.map((branch) => [branch.node, branch] as const));
  const nodeNamed = new Map(graph.nodes.map((node) => [node.name, node] as const));
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const found = byName.get(node.name);
    if (found === undefined) return [node];
    if (!node.inputs.includes(found.by)) throw notInNetwork(found.by);
    byName.delete(node.name);
    let shift = found.shift;
    const scales = found.scales.map((name): Node => {
      const scale = nodeNamed.get(name);
      if (scale?.op !== "scale") throw notInNetwork(name);
      const [, factor = ""] = scale.inputs;
      // Folding gives the scaled shift this name.
      const scaled = `${name}.shift`;
      const own = makeNode("scale", scaled, [shift, factor], [scaled], { ...scale.attributes, axis: 0 });
      shift = scaled;
      return own;
    });
    return [...scales, makeNode("bias", node.name, [found.by, shift], node.outputs, {})];
  });
  for (const name of byName.keys()) throw notInNetwork(name);
  return withoutUnused({ graph: { ...graph, nodes }, weights });
}

function slice({ graph, weights }: Network, slices: Readonly<Record<string, readonly AxisCut[]>>): Network {
  const shapes = inferShapes(graph, 1);
  for (const [name, cuts] of Object.entries(slices)) {
    if (cuts.some(({ axis, total }) => shapes.get(name)?.[axis] !== total)) throw notInNetwork(name);
  }
  const step: CutStep = { kind: "slice", slices };
  const left = (value: string, axis: number): readonly number[] =>
    keptIndices([step], value, axis, required(shapes.get(value), `shape of "${value}"`)[axis] ?? 0);
  const channels = (value: string): readonly number[] => left(value, 1);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const output = required(node.outputs[0], `output of "${node.name}"`);
    const dst = channels(output);
    // A value of shape [N] has no channels in the first place.
    const isEmpty = dst.length === 0 && shapes.get(output)?.length !== 1;
    if (isEmpty && !scalesParameter(node)) return [];
    const { attributes, slots } = channelRule(node).narrow(channelContext(node, shapes, weights), {
      src: (slot) => channels(node.inputs[slot] ?? ""),
      rows: (slot) => left(node.inputs[slot] ?? "", 0),
      dst,
    });
    const inputs = slots.map((slot) => required(node.inputs[slot], `input ${slot} of "${node.name}"`));
    return [makeNode(node.op as ForwardOpName, node.name, inputs, node.outputs, attributes)];
  });
  const values = new Map(weights);
  const parameters = graph.parameters.map((parameter) => {
    let value = required(weights.get(parameter.name), `values of "${parameter.name}"`);
    for (const { axis, kept } of slices[parameter.name] ?? []) value = take(value, axis, kept);
    values.set(parameter.name, value);
    return { ...parameter, shape: value.shape };
  });
  return withoutUnused({ graph: { ...graph, nodes, parameters }, weights: values });
}

/** Carries out the steps of a cut list: a pure function from network to network. */
import { required, UserError } from "../core/errors.ts";
import { take, tensor } from "../core/tensor.ts";
import { channelContext } from "../graph/analysis-coupling.ts";
import { channelRule } from "../graph/channels.ts";
import { makeNode, type Network, type Node, type Parameter } from "../graph/graph.ts";
import type { ForwardOpName } from "../graph/ops.ts";
import { withInputs, withoutDeadNodes } from "../graph/rewrite.ts";
import { inferShapes } from "../graph/shapes.ts";
import { bake } from "../selection/fold.ts";
import { type AxisCut, type BypassedNode, type CutList, type CutStep, keptIndices } from "./cut-list.ts";

/**
 * `network` after the cuts of `list`, which was made for it or for one of the same structure. Factors are folded into
 * the weights first. `UserError("bad-graph")` if the list is for another network.
 */
export function applyCuts(network: Network, list: CutList): Network {
  return list.steps.reduce(applyStep, bake(network));
}

/** `network` after one step. */
export function applyStep(network: Network, step: CutStep): Network {
  return step.kind === "bypass" ? bypass(network, step.nodes) : slice(network, step.slices);
}

function foreign(about: string): UserError {
  return new UserError("bad-graph", `the cut list names "${about}", which this network does not have`, {
    hint: "Apply a cut list to the network it was made for",
  });
}

/** Only parameters that are in `graph`. */
function pruned({ graph, weights }: Network): Network {
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
    if (!original.inputs.includes(found.by)) throw foreign(found.by);
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
  for (const name of byName.keys()) throw foreign(name);
  return pruned({ graph: { ...graph, nodes, parameters }, weights: values });
}

function slice({ graph, weights }: Network, slices: Readonly<Record<string, readonly AxisCut[]>>): Network {
  const shapes = inferShapes(graph, 1);
  for (const [name, cuts] of Object.entries(slices)) {
    if (cuts.some(({ axis, total }) => shapes.get(name)?.[axis] !== total)) throw foreign(name);
  }
  const step: CutStep = { kind: "slice", slices };
  const left = (value: string, axis: number): readonly number[] =>
    keptIndices([step], value, axis, required(shapes.get(value), `shape of "${value}"`)[axis] ?? 0);
  const channels = (value: string): readonly number[] => left(value, 1);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const dst = channels(required(node.outputs[0], `output of "${node.name}"`));
    if (dst.length === 0) return [];
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
  return pruned({ graph: { ...graph, nodes, parameters }, weights: values });
}

/**
 * Weights of other people's ResNets: the state dict of a PyTorch CIFAR ResNet in the common naming (`conv1`, `bn1`, `layer1.0.conv1`, …,
 * `linear`; akamaster/pytorch_resnet_cifar10 and its kin) for the graphs of `models/resnet.ts`.
 */
import { UserError } from "../core/errors.ts";
import { formatShape, sameShape, type Tensor } from "../core/tensor.ts";
import type { Graph, ParameterKind, Weights } from "../graph/graph.ts";

const words: { readonly [K in ParameterKind]?: string } = {
  weights: "weight",
  bias: "bias",
  scale: "weight",
  shift: "bias",
  running_mean: "running_mean",
  running_variance: "running_var",
};

/** Our layer → theirs. Option B's shortcut is a sequence there: convolution 0, batch norm 1. */
function theirLayer(layer: string): string {
  return layer
    .replace(/^stem\.conv$/, "conv1")
    .replace(/^stem\.norm$/, "bn1")
    .replace(/^classifier$/, "linear")
    .replace(/^stage(\d+)\.block(\d+)\./, (_, stage, block) => `layer${stage}.${Number(block) - 1}.`)
    .replace(/\.norm(\d)$/, ".bn$1")
    .replace(/\.shortcut\.conv$/, ".shortcut.0")
    .replace(/\.shortcut\.norm$/, ".shortcut.1");
}

/**
 * The weights of `graph`, a CIFAR ResNet, taken from `state`; `file` is its name in messages. PyTorch's batch counters
 * (`num_batches_tracked`) are passed over. Throws `UserError("bad-file")` where a tensor is missing, left over or of another shape.
 */
export function weightsFromStateDict(graph: Graph, state: ReadonlyMap<string, Tensor>, file: string): Weights {
  const wrong = (what: string, expected: string, received: string): UserError =>
    new UserError("bad-file", what, {
      about: file,
      expected,
      received,
      hint: `Is it the state dict of a ${graph.name}?`,
    });
  const weights = new Map<string, Tensor>();
  const left = new Set([...state.keys()].filter((name) => !name.endsWith(".num_batches_tracked")));
  for (const { name, shape, kind } of graph.parameters) {
    const theirs = `${theirLayer(name.slice(0, name.lastIndexOf(".")))}.${words[kind] ?? kind}`;
    const found = state.get(theirs);
    if (found === undefined) throw wrong(`has no tensor "${theirs}"`, formatShape(shape), "none");
    if (!sameShape(found.shape, shape)) {
      throw wrong(`tensor "${theirs}" has another shape`, formatShape(shape), formatShape(found.shape));
    }
    weights.set(name, found);
    left.delete(theirs);
  }
  if (left.size > 0) throw wrong("has tensors that the network does not", "none", [...left].join(", "));
  return weights;
}

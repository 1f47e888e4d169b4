import { describe, expect, test } from "vitest";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import { weightsFromStateDict } from "../../src/formats/state-dict.ts";
import { resnet } from "../../src/models/resnet.ts";

const graph = resnet({ depth: 20, classes: 10 });

/** A state dict with PyTorch's names and shapes; each tensor holds its own number. */
function stateDict(): Map<string, Tensor> {
  const state = new Map<string, Tensor>();
  const put = (name: string, ...shape: number[]): void => {
    const values = tensor(shape);
    values.data.fill(state.size);
    state.set(name, values);
  };
  const norm = (name: string, channels: number): void => {
    for (const word of ["weight", "bias", "running_mean", "running_var"]) put(`${name}.${word}`, channels);
    put(`${name}.num_batches_tracked`);
  };
  put("conv1.weight", 16, 3, 3, 3);
  norm("bn1", 16);
  for (const [stage, width] of [16, 32, 64].entries()) {
    for (let block = 0; block < 3; block++) {
      const name = `layer${stage + 1}.${block}`;
      put(`${name}.conv1.weight`, width, block === 0 && stage > 0 ? width / 2 : width, 3, 3);
      put(`${name}.conv2.weight`, width, width, 3, 3);
      norm(`${name}.bn1`, width);
      norm(`${name}.bn2`, width);
    }
  }
  put("linear.weight", 10, 64);
  put("linear.bias", 10);
  return state;
}

describe("weights from a PyTorch state dict", () => {
  test("every parameter finds its tensor", () => {
    const state = stateDict();
    const weights = weightsFromStateDict(graph, state, "x");
    expect([...weights.keys()]).toEqual(graph.parameters.map(({ name }) => name));
    const pairs = {
      "stem.conv.weights": "conv1.weight",
      "stem.norm.running_variance": "bn1.running_var",
      "stage2.block1.conv1.weights": "layer2.0.conv1.weight",
      "stage3.block3.norm2.scale": "layer3.2.bn2.weight",
      "stage1.block2.norm1.shift": "layer1.1.bn1.bias",
      "classifier.bias": "linear.bias",
    };
    for (const [ours, theirs] of Object.entries(pairs)) expect(weights.get(ours)).toBe(state.get(theirs));
  });

  test("a tensor missing, left over, or of another network", () => {
    const missing = stateDict();
    missing.delete("layer3.2.bn2.bias");
    expect(() => weightsFromStateDict(graph, missing, "x.safetensors")).toThrow(
      /x\.safetensors.*"layer3\.2\.bn2\.bias"/,
    );
    const more = stateDict().set("layer4.0.conv1.weight", tensor([1]));
    expect(() => weightsFromStateDict(graph, more, "x")).toThrow(/layer4\.0\.conv1\.weight/);
    const wider = resnet({ depth: 20, classes: 100 });
    expect(() => weightsFromStateDict(wider, stateDict(), "x")).toThrow(/linear\.weight.*\[100,64\].*\[10,64\]/);
  });
});

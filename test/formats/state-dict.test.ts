import { describe, expect, test } from "vitest";
import { UserError } from "../../src/core/errors.ts";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import { stateDictOf, weightsFromStateDict } from "../../src/formats/state-dict.ts";
import { initialize } from "../../src/models/initialize.ts";
import { resnet } from "../../src/models/resnet.ts";
import { model } from "../../src/models/zoo.ts";

const graph = resnet({ depth: 20, classes: 10 });

/** A state dict with PyTorch's names and shapes. All values of a tensor are one number, different for each tensor. */
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

  test("a tensor with a value that is not finite is named", () => {
    const state = stateDict();
    const bias = tensor([10]);
    bias.data[3] = Number.NaN;
    state.set("linear.bias", bias);
    expect(() => weightsFromStateDict(graph, state, "x.safetensors")).toThrow(
      'tensor "classifier.bias" in x.safetensors: value 3 of 10 is not a finite number',
    );
  });

  test("missing and unexpected tensors, and tensors of another network, are listed", () => {
    const missing = stateDict();
    missing.delete("layer3.2.bn2.bias");
    missing.set("layer3.2.bn2.bais", tensor([64]));
    const lists = (state: Map<string, Tensor>, of = graph): readonly string[] => {
      try {
        weightsFromStateDict(of, state, "x.safetensors");
      } catch (error) {
        if (error instanceof UserError) return error.details.list ?? [];
      }
      return [];
    };
    expect(() => weightsFromStateDict(graph, missing, "x.safetensors")).toThrow(/x\.safetensors.*resnet-20/);
    expect(lists(missing)).toEqual([
      'missing "layer3.2.bn2.bias" (nearest: "layer3.2.bn2.bais")',
      'unexpected "layer3.2.bn2.bais" (nearest: "layer3.2.bn2.bias")',
    ]);
    const more = stateDict().set("layer4.0.conv1.weight", tensor([1]));
    expect(lists(more)).toEqual(['unexpected "layer4.0.conv1.weight"']);
    const wider = resnet({ depth: 20, classes: 100 });
    expect(lists(stateDict(), wider)).toContain('wrong shape of "linear.weight": expected [100,64], got [10,64]');
    expect(lists(new Map(), graph)).toHaveLength(6);
  });
});

/** Tensors of torchvision's own networks: the first, the last, and those whose names are hardest to map. */
const torchvision: readonly (readonly [string, number, Readonly<Record<string, readonly number[]>>])[] = [
  [
    "resnet-18",
    102,
    {
      "conv1.weight": [64, 3, 7, 7],
      "bn1.running_var": [64],
      "layer2.0.downsample.0.weight": [128, 64, 1, 1],
      "layer2.0.downsample.1.running_mean": [128],
      "layer4.1.bn2.weight": [512],
      "fc.weight": [1000, 512],
    },
  ],
  ["resnet-50", 267, { "layer1.0.conv3.weight": [256, 64, 1, 1], "layer1.0.downsample.0.weight": [256, 64, 1, 1] }],
  ["resnext-50", 267, { "layer1.0.conv2.weight": [128, 4, 3, 3], "layer4.2.bn3.bias": [2048] }],
  [
    "vgg-16-imagenet",
    84,
    {
      "features.0.weight": [64, 3, 3, 3],
      "features.0.bias": [64],
      "features.7.weight": [128, 64, 3, 3],
      "features.41.running_var": [512],
      "classifier.0.weight": [4096, 25088],
      "classifier.6.bias": [1000],
    },
  ],
  [
    "mobilenet-v2",
    262,
    {
      "features.0.0.weight": [32, 3, 3, 3],
      "features.1.conv.0.0.weight": [32, 1, 3, 3],
      "features.1.conv.1.weight": [16, 32, 1, 1],
      "features.1.conv.2.running_mean": [16],
      "features.2.conv.1.0.weight": [96, 1, 3, 3],
      "features.17.conv.3.bias": [320],
      "features.18.1.weight": [1280],
      "classifier.1.weight": [1000, 1280],
    },
  ],
  [
    "densenet-121",
    606,
    {
      "features.conv0.weight": [64, 3, 7, 7],
      "features.denseblock3.denselayer24.conv2.weight": [32, 128, 3, 3],
      "features.transition2.norm.weight": [512],
      "features.norm5.running_var": [1024],
      "classifier.bias": [1000],
    },
  ],
];

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

describe("torchvision's names", () => {
  test.each(torchvision)("%s", (name, count, some) => {
    const plain = model(name);
    const network = { graph: plain, weights: initialize(plain, 1) };
    const state = stateDictOf(network);
    expect(state.size).toBe(count);
    for (const [tensorName, shape] of Object.entries(some))
      expect(state.get(tensorName)?.shape, tensorName).toEqual(shape);
    const back = weightsFromStateDict(plain, state, "x");
    // Zero biases change no running mean, so everything comes back. Tensors that are not computed come back as the same
    // object.
    for (const [parameter, { shape, data }] of back) {
      const own = network.weights.get(parameter);
      expect(shape).toEqual(own?.shape);
      expect(bytesOf(data).equals(bytesOf(own?.data ?? new Float32Array()))).toBe(true);
    }
  });

  test("a bias before a batch norm is subtracted from its running mean", () => {
    const plain = model("vgg-16-imagenet", { size: 32 });
    const state = new Map(stateDictOf({ graph: plain, weights: initialize(plain, 1) }));
    state.set("features.0.bias", tensor([64], new Float32Array(64).fill(0.25)));
    const weights = weightsFromStateDict(plain, state, "x");
    expect(weights.get("stage1.norm1.running_mean")?.data[3]).toBe(-0.25);
  });
});

/**
 * Layer names of other PyTorch implementations of the models in the zoo: torchvision, and
 * akamaster/pytorch_resnet_cifar10 with its derivatives. A naming maps a layer of ours, such as `stage2.block1.conv1`,
 * to theirs, `layer2.0.conv1`.
 */

export interface Naming {
  /** The implementation that uses these names, for messages. */
  readonly name: string;
  /** Whether a network with these layer names of ours belongs to this family. */
  fits(layers: ReadonlySet<string>): boolean;
  /** Maps the layer `ours` to its name in the other implementation. `layers`: all layer names of the network. */
  layer(ours: string, layers: ReadonlySet<string>): string;
}

type Replacement = readonly [pattern: RegExp, by: string | ((...groups: string[]) => string)];

function replaced(name: string, replacements: readonly Replacement[]): string {
  return replacements.reduce(
    (text, [pattern, by]) =>
      typeof by === "string"
        ? text.replace(pattern, by)
        : text.replace(pattern, (_, ...groups: string[]) => by(...groups)),
    name,
  );
}

/** Our layers count from 1, theirs from 0. */
function zeroBased(index: string | undefined): number {
  return Number(index) - 1;
}

function isResidual(layers: ReadonlySet<string>, lastStage: number): boolean {
  const has = (stage: number): boolean => layers.has(`stage${stage}.block1.conv2`);
  return layers.has("stem.conv") && has(lastStage) && !has(lastStage + 1) && !layers.has("last.conv");
}

/** The residual families differ only in the names of the last layer and of the projection shortcut. */
function residual(name: string, stages: number, classifier: string, projection: string): Naming {
  const replacements: readonly Replacement[] = [
    [/^stem\.conv$/, "conv1"],
    [/^stem\.norm$/, "bn1"],
    [/^classifier$/, classifier],
    [/^stage(\d+)\.block(\d+)\./, (stage, block) => `layer${stage}.${zeroBased(block)}.`],
    [/\.norm(\d)$/, ".bn$1"],
    [/\.shortcut\.conv$/, `.${projection}.0`],
    [/\.shortcut\.norm$/, `.${projection}.1`],
  ];
  return {
    name,
    fits: (layers) => isResidual(layers, stages),
    layer: (ours) => replaced(ours, replacements),
  };
}

/**
 * Each convolution, batch norm, ReLU and pooling takes one number in `features`. In `classifier`, every third layer is
 * linear.
 */
const vgg: Naming = {
  name: "torchvision's VGG with batch norms",
  fits: (layers) => layers.has("stage1.conv1") && layers.has("stage5.conv3"),
  layer: (ours, layers) => {
    const linear = ["hidden1", "hidden2", "classifier"].filter((one) => layers.has(one));
    const place = linear.indexOf(ours);
    if (place >= 0) return linear.length === 1 ? "classifier" : `classifier.${place * 3}`;
    const [, stage = "", word = "", index = ""] = /^stage(\d)\.(conv|norm)(\d)$/.exec(ours) ?? [];
    let number = 0;
    for (let one = 1; one < Number(stage); one++) {
      const convolutions = [...layers].filter((layer) => layer.startsWith(`stage${one}.conv`)).length;
      number += 3 * convolutions + 1;
    }
    return `features.${number + 3 * zeroBased(index) + (word === "norm" ? 1 : 0)}`;
  },
};

/** Blocks are numbered across stages. The layers of a block are numbered by whether it has an expansion convolution. */
const mobilenet: Naming = {
  name: "torchvision's MobileNetV2",
  fits: (layers) => layers.has("last.conv") && layers.has("stage1.block1.conv2"),
  layer: (ours, layers) => {
    const blocks = [...new Set([...layers].flatMap((layer) => /^stage\d+\.block\d+/.exec(layer) ?? []))];
    const [, block = "", word = "", index = ""] = /^(stage\d+\.block\d+)\.(conv|norm)(\d)$/.exec(ours) ?? [];
    if (block === "") {
      return replaced(ours, [
        [/^stem\.conv$/, "features.0.0"],
        [/^stem\.norm$/, "features.0.1"],
        [/^last\.conv$/, `features.${blocks.length + 1}.0`],
        [/^last\.norm$/, `features.${blocks.length + 1}.1`],
        [/^classifier$/, "classifier.1"],
      ]);
    }
    const expands = layers.has(`${block}.conv1`);
    const place = Number(index) - (expands ? 1 : 2);
    const last = expands ? 2 : 1;
    const norm = word === "norm" ? 1 : 0;
    const inBlock = place < last ? `${place}.${norm}` : `${last + norm}`;
    return `features.${blocks.indexOf(block) + 1}.conv.${inBlock}`;
  },
};

const densenet: Naming = {
  name: "torchvision's DenseNet",
  fits: (layers) => layers.has("block1.layer1.conv2") && layers.has("transition1.conv"),
  layer: (ours, layers) => {
    const blocks = new Set([...layers].flatMap((layer) => /^block\d+/.exec(layer) ?? [])).size;
    return replaced(ours, [
      [/^stem\.(conv|norm)$/, "features.$10"],
      [/^head\.norm$/, `features.norm${blocks + 1}`],
      [/^block(\d+)\.layer(\d+)\./, "features.denseblock$1.denselayer$2."],
      [/^transition(\d+)\./, "features.transition$1."],
    ]);
  },
};

/** Families with a distinctive layer come first. The others are recognised by the layers that they lack. */
export const namings: readonly Naming[] = [
  mobilenet,
  densenet,
  vgg,
  residual("torchvision's ResNet and ResNeXt", 4, "fc", "downsample"),
  residual("the CIFAR ResNets of akamaster/pytorch_resnet_cifar10", 3, "linear", "shortcut"),
];

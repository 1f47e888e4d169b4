"""One training step of the bench's networks in PyTorch: the twin of `bench/step.ts`.

Speaks JSON lines: prints {"versions": ..., "parameters": ..., "macs": ..., "variants": [...]} once, then for each line
{"variant": ..., "runs": n} on its input the times of n steps in milliseconds. A variant is a memory format, eager or through
torch.compile where that works. Same network, batch, loss and optimizer (Nesterov momentum, weight decay);
bf16 is PyTorch's autocast.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


def conv_bn(inputs, outputs, stride=1, kernel=3, groups=1):
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(outputs)


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(inputs, outputs, stride)
        self.conv2, self.bn2 = conv_bn(outputs, outputs)
        self.stride, self.extra = stride, outputs - inputs

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.shortcut(x), inplace=True)

    def shortcut(self, x):
        if not self.extra:
            return x
        half = self.extra // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.extra - half))


class ResNet(nn.Module):
    """CIFAR ResNet with option A shortcuts."""

    def __init__(self, depth):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(3, 16)
        blocks, inputs = [], 16
        for width, stride in ((16, 1), (32, 2), (64, 2)):
            for index in range((depth - 2) // 6):
                blocks.append(BasicBlock(inputs, width, stride if index == 0 else 1))
                inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = self.blocks(F.relu(self.bn1(self.conv1(x)), inplace=True))
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride, perhaps grouped), 1x1; a 1x1 convolution as shortcut where the shape changes."""

    def __init__(self, inputs, width, outputs, stride, groups):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(inputs, width, kernel=1)
        self.conv2, self.bn2 = conv_bn(width, width, stride, groups=groups)
        self.conv3, self.bn3 = conv_bn(width, outputs, kernel=1)
        changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Sequential(*conv_bn(inputs, outputs, stride, kernel=1)) if changes else nn.Identity()

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return F.relu(self.bn3(self.conv3(y)) + self.shortcut(x), inplace=True)


def bottlenecks(stem, inputs, counts, width, expansion, groups, classes):
    """`stem`, stages of bottlenecks that double in width, average pooling, a linear layer."""
    layers = [*stem]
    for stage, count in enumerate(counts):
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            layers.append(Bottleneck(inputs, width << stage, expansion * (width << stage), stride, groups))
            inputs = expansion * (width << stage)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def resnet50():
    stem = [*conv_bn(3, 64, 2, kernel=7), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    return bottlenecks(stem, 64, (3, 4, 6, 3), 64, 4, 1, 1000)


def resnext20():
    return bottlenecks([*conv_bn(3, 16), nn.ReLU(inplace=True)], 16, (2, 2, 2), 32, 2, 32, 10)


def vgg16():
    layers, inputs = [], 3
    for width in (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"):
        if width == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [*conv_bn(inputs, width), nn.ReLU(inplace=True)]
            inputs = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


# Name -> network, height and width of its images, classes.
NETWORKS = {"vgg-16": (vgg16, 32, 10), "resnext-20": (resnext20, 32, 10), "resnet-50": (resnet50, 224, 1000)}
for cifar_depth in (20, 32, 44, 56, 110):
    NETWORKS[f"resnet-{cifar_depth}"] = (lambda depth=cifar_depth: ResNet(depth), 32, 10)


def cost(name):
    """Parameters, and multiply-accumulates of convolutions and linear layers for one image."""
    build, size, _ = NETWORKS[name]
    model, macs = build().eval(), 0

    def count(module, _, output):
        nonlocal macs
        macs += module.weight.numel() * output[0, 0].numel() if output.dim() == 4 else module.weight.numel()

    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count)
    with torch.no_grad():
        model(torch.zeros(1, 3, size, size))
    return {"parameters": sum(parameter.numel() for parameter in model.parameters()), "macs": macs}


VARIANTS = ("contiguous", "channels-last", "contiguous, compiled", "channels-last, compiled")


class Step:
    def __init__(self, name, batch, variant, precision):
        torch.manual_seed(0)
        self.format = torch.channels_last if variant.startswith("channels-last") else torch.contiguous_format
        build, size, classes = NETWORKS[name]
        self.model = build().to(memory_format=self.format)
        if variant.endswith("compiled"):
            self.model = torch.compile(self.model)
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.05, 0.9, weight_decay=5e-4, nesterov=True)
        self.images = torch.randn(batch, 3, size, size).contiguous(memory_format=self.format)
        self.labels = torch.arange(batch) % classes
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")

    def __call__(self):
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast:
            loss = F.cross_entropy(self.model(self.images), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def main():
    name, batch, threads, precision = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    torch.set_num_threads(threads)
    if name not in NETWORKS:
        sys.exit(f"the peer has no {name}; it has {', '.join(NETWORKS)}")
    steps = {}
    for variant in VARIANTS:
        try:
            step = Step(name, batch, variant, precision)
            # The first call compiles a compiled variant.
            step()
            steps[variant] = step
        except Exception as error:
            print(f"{variant}: {error}", file=sys.stderr)
    versions = {"versions": f"PyTorch {torch.__version__}", "variants": list(steps)}
    print(json.dumps({**versions, **cost(name)}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        step, times = steps[request["variant"]], []
        for _ in range(request["runs"]):
            start = time.perf_counter()
            step()
            times.append((time.perf_counter() - start) * 1000)
        print(json.dumps({"milliseconds": times}), flush=True)


if __name__ == "__main__":
    main()

"""One training step of the bench's networks in PyTorch: the twin of `bench/step.ts`.

Speaks JSON lines: prints {"versions": ...} once, then for each line {"layout": "contiguous" | "channels_last", "runs": n}
on its input the times of n steps in milliseconds. Same network, batch, loss and optimizer (Nesterov momentum, weight decay);
bf16 is PyTorch's autocast.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


def conv_bn(inputs, outputs, stride=1):
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)


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


def vgg16():
    layers, inputs = [], 3
    for width in (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"):
        if width == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [*conv_bn(inputs, width), nn.ReLU(inplace=True)]
            inputs = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


def build(name):
    return vgg16() if name == "vgg-16" else ResNet(int(name.removeprefix("resnet-")))


class Step:
    def __init__(self, name, batch, layout, precision):
        torch.manual_seed(0)
        self.format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        self.model = build(name).to(memory_format=self.format)
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.05, 0.9, weight_decay=5e-4, nesterov=True)
        self.images = torch.randn(batch, 3, 32, 32).contiguous(memory_format=self.format)
        self.labels = torch.arange(batch) % 10
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
    print(json.dumps({"versions": f"PyTorch {torch.__version__}"}), flush=True)
    steps = {layout: Step(name, batch, layout, precision) for layout in ("contiguous", "channels_last")}
    for line in sys.stdin:
        request = json.loads(line)
        step, times = steps[request["layout"]], []
        for _ in range(request["runs"]):
            start = time.perf_counter()
            step()
            times.append((time.perf_counter() - start) * 1000)
        print(json.dumps({"milliseconds": times}), flush=True)


if __name__ == "__main__":
    main()

"""A whole run in PyTorch: the twin of `espalier train` for CIFAR ResNets with factors on neurons and blocks.

Same network, initial distribution, augmentation (4 black pixels around, random crop and flip), normalisation, one-cycle schedule,
Nesterov momentum, weight decay on weights and batch-norm scales only, and the accelerated proximal gradient method for the
factors, which are multiplications in the forward pass. The data lies in memory as bytes and batches are made by whole-tensor
operations: on two cores that is faster than a DataLoader's workers, which would take them from the step.

Prints one JSON line an epoch and one at the end. It writes no file, and what its factors would cut it only counts.
"""

import argparse
import json
import pathlib
import time

import torch
import torch.nn.functional as F
from torch import nn

from step import ResNet

MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
PAD, SIZE, RECORD = 4, 32, 1 + 3 * 32 * 32


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of CIFAR-10's binary files")
    parser.add_argument("--model", default="resnet-20")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.2)
    parser.add_argument("--gamma-neurons", type=float, default=0)
    parser.add_argument("--gamma-blocks", type=float, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, help="use only the first training images")
    parser.add_argument("--evaluation-images", type=int, default=2000)
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--layout", choices=("contiguous", "channels_last"), default="channels_last")
    return parser.parse_args()


class SparseResNet(nn.Module):
    """A CIFAR ResNet with factors, each where its γ is above 0: one on each output channel of a block's first convolution, and
    one on each block's branch."""

    def __init__(self, depth, gamma_neurons, gamma_blocks):
        super().__init__()
        self.network = ResNet(depth)
        blocks = self.network.blocks
        self.neurons = [block.conv1.out_channels if gamma_neurons > 0 else 0 for block in blocks]
        self.branches = [1 if gamma_blocks > 0 else 0 for _ in blocks]
        # All factors as one vector, so that their step is a few whole-vector operations.
        counts = torch.tensor([sum(self.neurons), sum(self.branches)])
        self.gamma = torch.tensor([gamma_neurons, gamma_blocks]).repeat_interleave(counts)
        self.factors = nn.Parameter(torch.ones(len(self.gamma)))
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(self.network.linear.bias)

    def split(self):
        """Each block, the factors of its neurons and that of its branch; empty where there are none."""
        parts = self.factors.split([*self.neurons, *self.branches])
        return zip(self.network.blocks, parts[: len(self.neurons)], parts[len(self.neurons) :])

    def forward(self, x):
        network = self.network
        x = F.relu(network.bn1(network.conv1(x)), inplace=True)
        for block, neurons, branch in self.split():
            y = block.bn1(block.conv1(x))
            y = F.relu(y * neurons.to(y.dtype).view(1, -1, 1, 1) if len(neurons) else y, inplace=True)
            y = block.bn2(block.conv2(y))
            y = y * branch if len(branch) else y
            x = F.relu(y + block.shortcut(x), inplace=True)
        return network.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))

    @torch.no_grad()
    def macs(self, is_cut):
        """Multiply-accumulates of one image: of all, or (`is_cut`) without what factors at zero leave without effect."""
        network, size = self.network, SIZE
        total = network.conv1.weight.numel() * size * size + network.linear.weight.numel()
        for block, neurons, branch in self.split():
            size //= block.stride
            share = 1
            if is_cut and len(neurons):
                share = int(neurons.count_nonzero()) / len(neurons)
            if is_cut and len(branch) and branch == 0:
                share = 0
            total += (block.conv1.weight.numel() + block.conv2.weight.numel()) * size * size * share
        return round(total)


class ProximalStep:
    """The factors' step (Huang and Wang, ECCV 2018, equations 10 to 12), with λ kept from going below zero."""

    def __init__(self, model, momentum):
        self.factors, self.gamma, self.momentum = model.factors, model.gamma, momentum
        self.velocity = torch.zeros_like(self.factors)

    @torch.no_grad()
    def step(self, learning_rate):
        if len(self.factors) == 0:
            return
        moved = self.factors - learning_rate * self.factors.grad
        z = moved.sign() * (moved.abs() - learning_rate * self.gamma).clamp_(min=0)
        self.velocity.mul_(self.momentum).add_(z).sub_(self.factors)
        self.factors.copy_(z.add_(self.velocity, alpha=self.momentum).clamp_(min=0))
        self.factors.grad = None


def read(folder, names):
    data = torch.cat([torch.frombuffer(bytearray((folder / name).read_bytes()), dtype=torch.uint8) for name in names])
    records = data.view(-1, RECORD)
    return records[:, 1:].reshape(-1, 3, SIZE, SIZE).contiguous(), records[:, 0].long()


class Normalizer:
    def __init__(self, layout):
        self.scale = torch.tensor([1 / (255 * deviation) for deviation in DEVIATION]).view(1, 3, 1, 1)
        self.shift = torch.tensor([-mean / deviation for mean, deviation in zip(MEAN, DEVIATION)]).view(1, 3, 1, 1)
        self.format = torch.channels_last if layout == "channels_last" else torch.contiguous_format

    def __call__(self, images):
        return torch.addcmul(self.shift, images.float(), self.scale).contiguous(memory_format=self.format)


def augmented_batches(images, labels, batch, normalize):
    """The batches of one epoch over `images`, padded bytes; the last, incomplete one is left out."""
    windows = images.unfold(2, SIZE, 1).unfold(3, SIZE, 1)
    for chosen in torch.randperm(len(images)).split(batch):
        if len(chosen) < batch:
            return
        top, left = torch.randint(2 * PAD + 1, (2, batch))
        cropped = windows[chosen, :, top, left]
        flipped = torch.where(torch.rand(batch, 1, 1, 1) < 0.5, cropped.flip(3), cropped)
        yield normalize(flipped), labels[chosen]


@torch.inference_mode()
def accuracy(model, images, labels, normalize, autocast):
    model.eval()
    with autocast:
        correct = sum(
            int((model(normalize(part)).argmax(1) == target).sum())
            for part, target in zip(images.split(256), labels.split(256))
        )
    model.train()
    return 100 * correct / len(images)


def main():
    options, start = parse(), time.perf_counter()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    images, labels = read(options.data, [f"data_batch_{part}.bin" for part in range(1, 6)])
    images, labels = F.pad(images[: options.limit], (PAD,) * 4), labels[: options.limit]
    test_images, test_labels = read(options.data, ["test_batch.bin"])
    normalize = Normalizer(options.layout)
    depth = int(options.model.removeprefix("resnet-"))
    model = SparseResNet(depth, options.gamma_neurons, options.gamma_blocks).to(memory_format=normalize.format)
    whole = model.macs(is_cut=False)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16")

    decaying, others = [], []
    for module in model.network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear, nn.BatchNorm2d)):
            decaying.append(module.weight)
            others += [] if module.bias is None else [module.bias]
    groups = [{"params": decaying, "weight_decay": 5e-4}, {"params": others, "weight_decay": 0}]
    optimizer = torch.optim.SGD(groups, options.learning_rate, 0.9, nesterov=True)
    factors = ProximalStep(model, 0.9)
    steps = len(images) // options.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.learning_rate, epochs=options.epochs, steps_per_epoch=steps, pct_start=0.2,
        cycle_momentum=False,
    )

    for epoch in range(1, options.epochs + 1):
        total = torch.zeros(())
        for batch, target in augmented_batches(images, labels, options.batch, normalize):
            with autocast:
                loss = F.cross_entropy(model(batch), target)
            loss.backward()
            factors.step(schedule.get_last_lr()[0])
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
            total += loss.detach()
        scored = slice(options.evaluation_images)
        print(json.dumps({
            "epoch": epoch,
            "trainLoss": float(total) / steps,
            "testAccuracy": accuracy(model, test_images[scored], test_labels[scored], normalize, autocast),
            "shareOfMacs": model.macs(is_cut=True) / whole,
        }), flush=True)

    print(json.dumps({
        "versions": f"PyTorch {torch.__version__}",
        "accuracy": accuracy(model, test_images, test_labels, normalize, autocast),
        "macs": model.macs(is_cut=True),
        "wholeMacs": whole,
        "seconds": time.perf_counter() - start,
    }), flush=True)


main()

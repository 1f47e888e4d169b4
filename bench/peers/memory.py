"""The peak memory of a process that does nothing but one training step of the bench's networks in PyTorch.

python memory.py <model> <batch> <threads> <precision> <layout> <steps> prints {"peakBytes": ...}: VmHWM of Linux.
"""

import json
import re
import sys

import torch

from step import Step


def peak_bytes():
    with open("/proc/self/status", encoding="ascii") as status:
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1])


def main():
    name, batch, threads, precision, layout, count = sys.argv[1:7]
    torch.set_num_threads(int(threads))
    step = Step(name, int(batch), layout, precision)
    for _ in range(int(count)):
        step()
    print(json.dumps({"peakBytes": peak_bytes()}))


main()

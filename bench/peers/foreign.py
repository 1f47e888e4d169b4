"""Files of another tool for `bench/foreign.ts`: torchvision's networks with random weights, and ONNX's own checker.

`export FOLDER NAME...` writes FOLDER/NAME-script.onnx and, where onnxscript is installed, NAME-dynamo.onnx (PyTorch's two exporters), and
prints a line of JSON for each. `check FILE...` exits with 1 and says why if a file is not sound.
"""

import importlib.util
import json
import os
import sys
import warnings

import torch


def networks():
    # Where torchvision's compiled part does not fit PyTorch, two names of its detection ops are all that its networks need.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        try:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        except RuntimeError:
            pass
    import torchvision

    return torchvision, library


def settled(model):
    """Batch norms with statistics of their own, as trained ones have."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.8, 1.2, generator=generator)
    # A transformer's head starts at zero, and so would all its answers.
    for name, parameter in model.named_parameters():
        if "head" in name and parameter.dim() == 2:
            torch.nn.init.normal_(parameter, 0, 0.02, generator=generator)
    return model.eval()


SIZES = {"inception_v3": (299, 299)}
SEGMENTATION = ("fcn", "deeplab", "lraspp")


class Maps(torch.nn.Module):
    """A segmentation network with its main output alone."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images)["out"]


def maker(torchvision, name):
    if not name.startswith(SEGMENTATION):
        return getattr(torchvision.models, name)
    network = getattr(torchvision.models.segmentation, name)
    return lambda **options: Maps(network(weights_backbone=None, **options))


def export(folder, names):
    torchvision, _ = networks()
    exporters = ["script"] + (["dynamo"] if importlib.util.find_spec("onnxscript") else [])
    for name in names:
        torch.manual_seed(1)
        options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
        model = settled(maker(torchvision, name)(weights=None, **options))
        for exporter in exporters:
            path = os.path.join(folder, f"{name}-{exporter}.onnx")
            images = torch.randn(2, 3, *SIZES.get(name, (224, 224)))
            common = {"input_names": ["images"], "output_names": ["logits"], "verbose": False}
            if exporter == "script":
                axes = {"images": {0: "batch"}, "logits": {0: "batch"}}
                torch.onnx.export(model, (images,), path, dynamo=False, opset_version=17, dynamic_axes=axes, **common)
            else:
                shapes = ({0: torch.export.Dim("batch")},)
                torch.onnx.export(
                    model, (images,), path, dynamo=True, external_data=False, dynamic_shapes=shapes, **common
                )
            versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
            print(json.dumps({"name": name, "exporter": exporter, "path": path, "versions": versions}), flush=True)


def check(paths):
    import onnx

    for path in paths:
        onnx.checker.check_model(path, full_check=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    command, *rest = sys.argv[1:]
    if command == "export":
        export(rest[0], rest[1:])
    else:
        check(rest)

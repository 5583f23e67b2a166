"""Converted networks through the tools that look into a network's code."""

import io
import warnings

import onnxruntime
import pytest
import timm
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torchvision.models.resnet import BasicBlock, ResNet

from antialias_plugins import convert_antialias

NETWORKS = {
    'torchvision-lpf4': lambda: ResNet(BasicBlock, [1, 1, 1, 1], num_classes=5),
    'timm-ddac3': lambda: timm.create_model('resnet10t', num_classes=5, channels=(8, 16, 32, 64)),
    'timm-flc': lambda: timm.create_model('resnet10t', num_classes=5, channels=(8, 16, 32, 64)),
}


@pytest.fixture(params=NETWORKS)
def model(request) -> nn.Module:
    return convert_antialias(NETWORKS[request.param](), request.param.rpartition('-')[2]).eval()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 3, 65, 64)


def test_compile_sees_one_graph(model, image):
    expected = model(image)
    torch.compiler.reset()
    compiled = torch.compile(model, backend='aot_eager', fullgraph=True)
    torch.testing.assert_close(compiled(image), expected)


def test_export(model, image):
    exported = torch.export.export(model, (image,))
    torch.testing.assert_close(exported.module()(image), model(image))


def test_trace(model, image):
    traced = torch.jit.trace(model, image)
    torch.testing.assert_close(traced(image), model(image))


def test_onnx(model, image):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the exporter's own advice
        torch.onnx.export(model, (image,), file, dynamo=False, opset_version=17, input_names=['image'])
    session = onnxruntime.InferenceSession(file.getvalue(), providers=['CPUExecutionProvider'])
    (actual,) = session.run(None, {'image': image.numpy()})
    torch.testing.assert_close(torch.from_numpy(actual), model(image), rtol=1e-4, atol=1e-4)


def test_data_parallel(model, image, tmp_path):
    """Every parameter of the filters takes part in a distributed step."""
    torch.distributed.init_process_group('gloo', f'file://{tmp_path}/store', rank=0, world_size=1)
    try:
        parallel = DistributedDataParallel(model.train())
        parallel(image.repeat(2, 1, 1, 1)).square().sum().backward()
    finally:
        torch.distributed.destroy_process_group()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_channels_last_and_autocast(model, image):
    expected = model(image)
    torch.testing.assert_close(
        model(image.contiguous(memory_format=torch.channels_last)), expected, rtol=1e-4, atol=1e-4
    )
    with torch.autocast('cpu', torch.bfloat16):
        half = model(image)
    scale = expected.abs().max()
    assert (half - expected).abs().max() / scale < 0.1

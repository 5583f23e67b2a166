import pytest
import torch
import torchvision
from mmseg.models.backbones import MobileNetV2

from antialias_plugins.openmmlab.segmentation.backbones import DilatedMobileNetV2


def depthwise(model):
    """The 3×3 convolutions of every layer, by layer."""
    return [[block.conv[-2].conv for block in getattr(model, layer)] for layer in model.layers]


# What pytorch-deeplab-xception's rule gives, counted by hand: a layer that no longer strides keeps the dilation of the
# one before it, and the next ones dilate twice as much.
@pytest.mark.parametrize(
    ('output_stride', 'strides', 'dilations'),
    [
        (32, (1, 2, 2, 2, 1, 2, 1), (1, 1, 1, 1, 1, 1, 1)),
        (16, (1, 2, 2, 2, 1, 1, 1), (1, 1, 1, 1, 1, 1, 2)),
        (8, (1, 2, 2, 1, 1, 1, 1), (1, 1, 1, 1, 2, 2, 4)),
    ],
)
def test_strides_and_dilations(output_stride, strides, dilations):
    layers = depthwise(DilatedMobileNetV2(output_stride=output_stride))
    assert [layer[0].stride[0] for layer in layers] == list(strides)
    assert [{conv.dilation for conv in layer} for layer in layers] == [{(rate, rate)} for rate in dilations]


def test_undilated_it_is_the_network_of_mmseg():
    model = DilatedMobileNetV2(output_stride=32).double()
    reference = MobileNetV2(out_indices=(1, 6)).double()
    model.load_state_dict(reference.state_dict(), strict=True)
    model.eval(), reference.eval()
    images = torch.rand(1, 3, 49, 67, dtype=torch.float64)
    torch.testing.assert_close(model(images), reference(images), rtol=0, atol=0)


def test_padding_in_front_of_the_expansion_changes_the_border_only():
    model = DilatedMobileNetV2(output_stride=16).double()
    padded = DilatedMobileNetV2(output_stride=16, padding='block').double()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.bias, 0.1, 0.5)  # which the expansion turns zeros into
    padded.load_state_dict(model.state_dict())
    model.eval(), padded.eval()
    images = torch.rand(1, 3, 128, 128, dtype=torch.float64)

    low, expected = padded(images)[0], model(images)[0]

    # one stride 2 convolution and two others reach at most three pixels in from the border at a quarter of the size
    torch.testing.assert_close(low[..., 3:-3, 3:-3], expected[..., 3:-3, 3:-3], rtol=0, atol=1e-12)
    assert not torch.allclose(low[..., 0, :], expected[..., 0, :], rtol=1e-3)


def test_parameters_are_those_of_torchvision_without_the_head():
    with torch.device('meta'):
        model = DilatedMobileNetV2()
        network = torchvision.models.mobilenet_v2()
    head = [*network.features[18].parameters(), *network.classifier.parameters()]
    count, whole, rest = (
        sum(parameter.numel() for parameter in parameters)
        for parameters in (model.parameters(), network.parameters(), head)
    )
    assert count == whole - rest


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(output_stride=4), 'output_stride must be 8, 16 or 32, got 4'),
        (dict(padding='same'), "padding must be 'depthwise' or 'block', got 'same'"),
    ],
    ids=['output stride', 'padding'],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DilatedMobileNetV2(**arguments)

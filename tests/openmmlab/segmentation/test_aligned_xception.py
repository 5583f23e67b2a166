import pytest
import timm
import torch
from mmseg.models.backbones import TIMMBackbone
from torch.nn.functional import relu

from antialias_plugins.openmmlab.segmentation.backbones import AlignedXception


@pytest.mark.parametrize('depth', [41, 65, 71])
def test_keys_and_shapes_are_those_of_timm(depth):
    with torch.device('meta'):
        model = AlignedXception(depth=depth)
        network = timm.create_model(f'xception{depth}', num_classes=0)
    expected = {key: value.shape for key, value in network.state_dict().items()}
    assert {key: value.shape for key, value in model.state_dict().items()} == expected


@pytest.mark.parametrize('output_stride', [8, 16])
def test_maps_are_the_first_block_and_the_last(output_stride):
    model = AlignedXception(depth=41, output_stride=output_stride).eval()
    network = timm.create_model('xception41', output_stride=output_stride, num_classes=0).eval()
    network.load_state_dict(model.state_dict(), strict=True)
    images = torch.rand(1, 3, 49, 35)
    taken = []
    network.blocks[0].register_forward_hook(lambda module, args, output: taken.append(relu(output)))

    low, high = model(images)

    torch.testing.assert_close(high, network.forward_features(images), rtol=0, atol=0)
    torch.testing.assert_close(low, taken[0], rtol=0, atol=0)
    assert (low.shape[1], high.shape[1]) == (128, 2048)


def test_the_low_level_map_of_the_paper_comes_from_mmseg():
    model = TIMMBackbone('xception41', pretrained=False, output_stride=16, out_indices=(1, 4)).eval()
    low, high = model(torch.zeros(1, 3, 64, 64))
    assert (low.shape[1:], high.shape[1:]) == ((256, 16, 16), (2048, 4, 4))


def test_weights_are_initialized_by_fan_out():
    model = AlignedXception(depth=41)
    model.init_weights()
    weight = model.blocks[5].stack.conv2.conv_pw.weight
    assert weight.std().item() == pytest.approx((2 / weight.shape[0]) ** 0.5, rel=0.01)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(depth=50), 'depth must be 41, 65 or 71, got 50'),
        (dict(output_stride=4), 'output_stride must be 8, 16 or 32, got 4'),
        (dict(norm_cfg=dict(type='GN')), "norm_cfg must have type 'BN' or 'SyncBN' and requires_grad only, got .*GN"),
        (dict(norm_cfg=dict(type='BN', momentum=0.1)), 'norm_cfg must have type .* got .*momentum'),
        (dict(pretrained=True, init_cfg=[]), r'init_cfg must be left out with pretrained=True, got \[\]'),
    ],
    ids=['depth', 'output stride', 'norm', 'momentum', 'init'],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        AlignedXception(**arguments)

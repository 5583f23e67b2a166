import pytest
import torch
import torchvision

from antialias_plugins.timm_models import AlexNet


@pytest.fixture(scope='module')
def alexnet():
    return AlexNet(num_classes=10).eval()


def test_state_dict_is_that_of_torchvision(alexnet):
    shapes = {name: value.shape for name, value in torchvision.models.alexnet(num_classes=10).state_dict().items()}
    assert {name: value.shape for name, value in alexnet.state_dict().items()} == shapes


def test_first_relu_is_there(alexnet):
    images = torch.randn(2, 3, 96, 96)
    assert alexnet.features[:2](images).min() >= 0 > alexnet.features[:1](images).min()


@pytest.mark.parametrize('stem', [False, True])
def test_maps_are_those_of_a_stride_of_four(stem):
    model = AlexNet(num_classes=10, stem=stem)
    maps = torch.rand(1, 3, 160, 128)
    for index, layer in enumerate(model.features):
        maps = layer(maps)
        if index == 1:
            assert maps.shape == (1, 64, 39, 31)  # (160 + 4 - 11) / 4 + 1, and so on
    assert model.features[0].stride == ((1, 1) if stem else (2, 2))


def test_stem_has_no_filter_of_its_own():
    with pytest.raises(ValueError, match=r"stem must be True or False, .* got 'lpf3'"):
        AlexNet(stem='lpf3')


def test_reset_classifier(alexnet):
    images = torch.rand(2, 3, 96, 96)
    model = AlexNet(num_classes=10, in_chans=3)
    model.reset_classifier(7, 'max')
    assert model(images).shape == (2, 7) and model.get_classifier().out_features == model.num_classes == 7
    model.reset_classifier(0)
    assert model.pool_type == 'max' and model(images).shape == (2, model.head_hidden_size)
    model.reset_classifier(0, '')
    assert model(images).shape == (2, model.head_hidden_size, 1, 1)


def test_head(alexnet):
    images = torch.rand(2, 3, 128, 96)
    features = alexnet.forward_features(images)
    assert features.shape[:2] == (2, alexnet.num_features)
    hidden = alexnet.forward_head(features, pre_logits=True)
    assert hidden.shape == (2, alexnet.head_hidden_size)
    torch.testing.assert_close(alexnet.get_classifier()(hidden), alexnet(images))


@pytest.mark.parametrize(('global_pool', 'num_classes'), [('', 10), ('median', 0), ('catavgmax', 10)])
def test_unknown_pools_are_refused(global_pool, num_classes):
    with pytest.raises(ValueError, match=f'global_pool must be .* got {global_pool!r} with num_classes {num_classes}'):
        AlexNet(num_classes=num_classes, global_pool=global_pool)


def test_dropout_is_in_front_of_both_hidden_layers():
    rates = [layer.p for layer in AlexNet(num_classes=10, drop_rate=0.5).classifier if hasattr(layer, 'p')]
    assert rates == [0.5, 0.5]

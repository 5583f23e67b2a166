import re
from collections import Counter

import pytest

from antialias_plugins.checkpoints import PUBLISHED

BUCKET = 'https://antialiased-cnns.s3.us-east-2.amazonaws.com/weights_v0.1'


@pytest.mark.parametrize(
    ('key', 'file'),
    {
        'alexnet_lpf2.adobe_in1k': 'alexnet_lpf2-da8aca74.pth',
        'vgg16_bn_lpf4.adobe_in1k': 'vgg16_bn_lpf4-a1c3559b.pth',
        'mobilenet_v2_lpf5.adobe_in1k': 'mobilenet_v2_lpf5-ab8fe968.pth',
        'resnet50_lpf4.adobe_ft_in1k': 'resnet50_lpf4_finetune-cad66808.pth',
        'densenet161_lpf4.adobe_ft_in1k': 'densenet161_lpf4_finetune-a5e0f328.pth',
        'wide_resnet101_2_lpf4.adobe_ft_in1k': 'wide_resnet101_2_lpf4_finetune-da4eae04.pth',
    }.items(),
)
def test_urls(key, file):
    assert PUBLISHED[key].url == f'{BUCKET}/{file}'
    assert PUBLISHED[key].sha256 == file[-12:-4]


def test_counts():
    assert Counter(weights.tag for weights in PUBLISHED.values()) == {
        'adobe_in1k': 36,
        'adobe_ft_in1k': 23,
        'zou_in1k': 2,
        'rojas_in1k': 4,
        'rojas_ddac_in1k': 2,
    }
    digests = [weights.sha256 for weights in PUBLISHED.values() if weights.sha256]
    assert len(set(digests)) == 59
    assert all(re.fullmatch('[0-9a-f]{8}', digest) for digest in digests)


def test_keys_are_names_with_tags():
    assert all(key == f'{weights.name}.{weights.tag}' for key, weights in PUBLISHED.items())


def test_figures_are_percentages_and_longer_filters_are_more_consistent():
    for weights in (weights for weights in PUBLISHED.values() if weights.accuracy):
        assert 55 < weights.accuracy < weights.consistency < 100, weights
    two, five = (PUBLISHED[f'resnet50_lpf{k}.adobe_in1k'] for k in (2, 5))
    assert (two.accuracy, two.consistency, five.accuracy, five.consistency) == (76.81, 89.96, 77.04, 91.31)


def test_adaptive_weights_say_what_they_need():
    weights = PUBLISHED['resnet101_ddac3.zou_in1k']
    assert weights.model_args == {'softmax': 'joint', 'groups': 8}
    assert weights.license is None
    with pytest.raises(TypeError):
        weights.model_args['groups'] = 2


@pytest.mark.parametrize(
    ('key', 'file', 'arguments'),
    [
        ('resnet18_lps1.rojas_in1k', 'ResNet18_LPS_circular_basic', {'padding': 'circular'}),
        ('resnet50_lps3.rojas_in1k', 'ResNet50_LPS_LPF3_zero_randomresized', {'padding': 'pools', 'stem': 'lps1'}),
        (
            'resnet101_lps3.rojas_ddac_in1k',
            'ResNet101_LPS_DDAC3_zero_randomresized',
            {'padding': 'pools', 'stem': 'lps1', 'adaptive': {'groups': 8, 'softmax': 'joint'}},
        ),
    ],
)
def test_files_of_a_folder_are_named(key, file, arguments):
    weights = PUBLISHED[key]
    assert (weights.file, weights.model_args) == (f'{file}.ckpt', arguments)
    assert weights.url == 'https://uofi.box.com/s/pql7u3c7x8zifp0m46xhe2uduwwazcad'
    assert (weights.sha256, weights.accuracy) == (None, None)

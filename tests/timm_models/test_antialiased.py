import importlib
import subprocess
import sys

import pytest
import timm
from timm.data import resolve_data_config
from timm.models import get_pretrained_cfg, model_entrypoint

from antialias_plugins.checkpoints import PUBLISHED
from antialias_plugins.timm_models import antialiased

CNNS = [
    *('alexnet', 'densenet121', 'densenet161', 'densenet169', 'densenet201', 'mobilenet_v2'),
    *('resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152', 'resnext50_32x4d', 'resnext101_32x8d'),
    *('vgg11', 'vgg11_bn', 'vgg13', 'vgg13_bn', 'vgg16', 'vgg16_bn', 'vgg19', 'vgg19_bn'),
    *('wide_resnet50_2', 'wide_resnet101_2'),
]
RESIDUAL = [name for name in CNNS if 'res' in name]


def test_names():
    expected = {f'{name}_lpf{size}' for name in CNNS for size in (2, 3, 4, 5)}
    expected |= {f'{name}_ddac{size}' for name in RESIDUAL for size in (3, 5)}
    expected |= {f'resnet{n}_{method}{size}' for n in (18, 50, 101) for method in ('aps', 'lps') for size in (1, 2, 3)}
    assert set(timm.list_models(module='antialiased')) == expected
    assert set(antialiased.__all__) == expected


IMPORT_TWICE = """
import importlib, timm
before = set(timm.list_models())
import antialias_plugins.timm_models as ours
names = timm.list_models(module='antialiased')
assert len(names) == 128 and not before & set(names), names
importlib.reload(ours.antialiased)
importlib.reload(ours)
assert set(timm.list_models()) == before | set(names)
"""


def test_importing_twice_is_harmless():
    subprocess.run([sys.executable, '-W', 'error::UserWarning', '-c', IMPORT_TWICE], check=True)


def test_reloading_keeps_what_is_registered():
    entry = model_entrypoint('resnet18_lpf4')
    importlib.reload(antialiased)
    assert model_entrypoint('resnet18_lpf4') is entry


def test_a_name_that_timm_has_is_refused_and_nothing_is_registered():
    entries = {'brand_new_lpf4': antialiased.resnet18_lpf4, 'resnet18': antialiased.resnet18_lpf4}
    with pytest.raises(ValueError, match=r'already has resnet18 \(from timm\.models\.resnet\)'):
        antialiased._register(entries)
    assert not timm.is_model('brand_new_lpf4')


def test_an_entry_is_a_function_of_its_module():
    entry = model_entrypoint('resnet50_ddac5')
    assert entry is antialiased.resnet50_ddac5
    assert (entry.__name__, entry.__module__) == ('resnet50_ddac5', 'antialias_plugins.timm_models.antialiased')
    assert entry.__doc__.startswith('resnet50 with AdaptiveBlurPool2d of 5 taps')


def test_every_published_file_has_a_tag():
    assert set(timm.list_pretrained(['*_lpf?.*', '*_ddac?.*', '*_lps?.*'])) == set(PUBLISHED)


@pytest.mark.parametrize(
    ('name', 'tag'),
    [
        ('resnet50_lpf4', 'adobe_ft_in1k'),
        ('resnet50_lpf4.adobe_in1k', 'adobe_in1k'),
        ('resnet50_lpf3', 'adobe_in1k'),
        ('resnet101_ddac3', 'zou_in1k'),
        ('vgg11_lpf4', 'adobe_ft_in1k'),
        ('vgg11_lpf3', None),
        ('resnet101_lps3', 'rojas_in1k'),
        ('resnet101_aps3', None),
    ],
)
def test_the_fine_tuned_weights_are_the_default(name, tag):
    cfg = get_pretrained_cfg(name)
    assert (cfg.architecture, cfg.tag) == (name.partition('.')[0], tag)
    assert cfg.url == (PUBLISHED[f'{cfg.architecture}.{tag}'].url if tag else None)


@pytest.mark.parametrize('name', ['alexnet_lpf4', 'mobilenet_v2_lpf3', 'resnet101_ddac3', 'resnet50_ddac3'])
def test_images_are_prepared_as_for_the_published_weights(name):
    config = resolve_data_config(pretrained_cfg=get_pretrained_cfg(name).to_dict())
    assert (config['input_size'], config['crop_pct'], config['interpolation']) == ((3, 224, 224), 0.875, 'bilinear')
    assert config['mean'] == (0.485, 0.456, 0.406) and config['std'] == (0.229, 0.224, 0.225)

from functools import partial

import pytest
import torch
from safetensors.torch import load_file

from antialias_plugins.checkpoints import CheckpointError, read_checkpoint
from antialias_plugins.checkpoints.load import export_checkpoint
from tests.checkpoints.networks import published, save, timm_network, torchvision_network


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp('published') / 'net.pth'
    save(published('resnet18'), path)
    return path


@pytest.mark.parametrize(
    ('name', 'read'),
    [('out.safetensors', load_file), ('out.pth', partial(torch.load, weights_only=True))],
    ids=['safetensors', 'pth'],
)
def test_target_is_a_plain_state_dict_of_the_network(name, read, source, tmp_path):
    model = timm_network('resnet18')
    report = export_checkpoint(model, source, tmp_path / 'new' / name)
    written = read(tmp_path / 'new' / name)
    assert written.keys() == model.state_dict().keys() == set(report.loaded)
    assert all(torch.equal(value, written[key].to(value.dtype)) for key, value in model.state_dict().items())
    assert [path.name for path in (tmp_path / 'new').iterdir()] == [name]


def test_meta_makes_a_checkpoint_of_mmengine(source, tmp_path):
    export_checkpoint(torchvision_network('resnet18'), source, tmp_path / 'out.pth', meta={'arch': 'resnet18_lpf4'})
    assert torch.load(tmp_path / 'out.pth', weights_only=True)['meta'] == {'arch': 'resnet18_lpf4'}
    assert 'layer1.0.conv1.weight' in read_checkpoint(tmp_path / 'out.pth')


def test_skipped_keys_are_not_written(source, tmp_path):
    model = torchvision_network('resnet18', num_classes=99)
    export_checkpoint(model, source, tmp_path / 'out.pth', skip=['fc.*'])
    assert set(model.state_dict()) - set(read_checkpoint(tmp_path / 'out.pth')) == {'fc.weight', 'fc.bias'}


def test_an_existing_file_is_replaced_only_when_told_to(source, tmp_path):
    target = tmp_path / 'out.pth'
    target.write_bytes(b'mine')
    with pytest.raises(FileExistsError, match='exists'):
        export_checkpoint(torchvision_network('resnet18'), source, target)
    assert target.read_bytes() == b'mine'
    export_checkpoint(torchvision_network('resnet18'), source, target, overwrite=True)
    assert len(read_checkpoint(target)) == 122


def test_what_does_not_fit_is_not_written(source, tmp_path):
    with pytest.raises(CheckpointError):
        export_checkpoint(torchvision_network('resnet18', num_classes=99), source, tmp_path / 'out.pth')
    with pytest.raises(ValueError, match=r'target must end in \.pth'):
        export_checkpoint(torchvision_network('resnet18'), source, tmp_path / 'out.safetensors', meta={})
    assert list(tmp_path.iterdir()) == []

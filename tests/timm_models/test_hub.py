import json
import shutil

import pytest
import timm
import torch
import yaml
from huggingface_hub import HfApi, RepoUrl
from safetensors.torch import load_file

from antialias_plugins import convert_antialias, revert_antialias
from antialias_plugins.timm_models import push_to_hub, save_for_hub
from tests.timm_models.parity import randomise

NETWORKS = {
    'fixed': ('resnet18_lpf4', {'padding_mode': 'zeros', 'num_classes': 5}),
    'adaptive': ('resnet18_ddac3', {'groups': 4, 'softmax': 'joint', 'in_chans': 1, 'num_classes': 5}),
    'polyphase': ('resnet18_lps2', {'padding_mode': 'reflect', 'stem': False, 'num_classes': 5}),
    'own class': ('alexnet_lpf2', {'num_classes': 5}),
}
FILES = {'README.md', 'config.json', 'model.safetensors'}


@pytest.fixture(params=NETWORKS)
def model(request):
    name, options = NETWORKS[request.param]
    model = timm.create_model(name, **options)
    randomise(model)
    return model.eval()


@pytest.fixture
def small():
    return timm.create_model('resnet18_lpf4', num_classes=5).eval()


def images(model):
    return torch.rand(2, model.in_chans, 96, 96, generator=torch.Generator().manual_seed(0))


def test_a_saved_network_is_built_again_to_the_last_bit(model, tmp_path):
    save_for_hub(model, tmp_path / 'new')
    again = timm.create_model(f'local-dir:{tmp_path}/new', pretrained=True).eval()
    assert torch.equal(again(images(model)), model(images(model)))
    assert {path.name for path in (tmp_path / 'new').iterdir()} == FILES
    assert load_file(tmp_path / 'new/model.safetensors').keys() == model.state_dict().keys()


def test_config_names_arguments_and_the_package(tmp_path):
    model = timm.create_model('resnet18_ddac3', padding_mode='circular', groups=2, softmax='joint', stem=True)
    config = json.loads((save_for_hub(model, tmp_path) / 'config.json').read_text())
    assert config['architecture'] == 'resnet18_ddac3' and 'antialias_plugins' in config['requires']
    arguments = {'padding_mode': 'circular', 'groups': 2, 'softmax': 'joint', 'stem': True}
    assert config['model_args'].items() >= arguments.items()


def test_card_names_the_package_and_its_example_runs(small, tmp_path):
    card = (save_for_hub(small, tmp_path, license='mit', card={'citation': '@misc{ours}'}) / 'README.md').read_text()
    assert 'library_name: antialias_plugins\n' in card and 'license: mit\n' in card and '@misc{ours}' in card
    example = card.partition('```python\n')[2].partition('```')[0]
    scope = {}
    exec(example, scope)
    assert torch.equal(scope['model'](images(small)), small(images(small)))


def test_licence_of_published_weights_is_passed_on(tmp_path):
    model = timm.create_model('resnet18_lpf4')
    assert model.pretrained_cfg['license'] == 'cc-by-nc-sa-4.0'
    assert 'license: cc-by-nc-sa-4.0\n' in (save_for_hub(model, tmp_path) / 'README.md').read_text()


def test_without_the_package_timm_says_what_the_card_says(small, tmp_path, monkeypatch):
    card = (save_for_hub(small, tmp_path) / 'README.md').read_text()
    monkeypatch.delitem(timm.models._registry._model_entrypoints, 'resnet18_lpf4')
    with pytest.raises(RuntimeError) as caught:
        timm.create_model(f'local-dir:{tmp_path}', pretrained=True)
    assert str(caught.value) == 'Unknown model (resnet18_lpf4)' and str(caught.value) in card


CHANGED = {
    'converted by hand': (
        lambda: convert_antialias(timm.create_model('resnet18'), 'lpf4'),
        'timm would build none',
    ),
    'reverted': (lambda: revert_antialias(timm.create_model('resnet18_lpf4')), 'it has no filter'),
}


@pytest.mark.parametrize('case', CHANGED)
def test_networks_that_would_be_built_differently_are_refused(case, tmp_path):
    build, message = CHANGED[case]
    with pytest.raises(ValueError, match=message):
        save_for_hub(build(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_networks_unknown_to_timm_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r'model must be built by timm\.create_model, got a Linear'):
        save_for_hub(torch.nn.Linear(2, 3), tmp_path)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that is a folder: what is uploaded lands in it, and downloads come from it."""
    folder = tmp_path / 'hub'
    monkeypatch.setattr(HfApi, 'create_repo', lambda self, repo_id, **options: RepoUrl(f'https://hf.co/me/{repo_id}'))
    monkeypatch.setattr(HfApi, 'file_exists', lambda self, **options: (folder / options['filename']).exists())
    monkeypatch.setattr(HfApi, 'upload_folder', lambda self, **options: shutil.copytree(options['folder_path'], folder))
    monkeypatch.setattr('timm.models._hub.hf_hub_download', lambda repo_id, filename, **options: folder / filename)
    return folder


def test_push_and_load(hub, small):
    push_to_hub(small, 'network', private=True)
    assert {path.name for path in hub.iterdir()} == FILES
    assert 'library_name: antialias_plugins' in (hub / 'README.md').read_text()
    again = timm.create_model('hf-hub:me/network', pretrained=True).eval()
    assert torch.equal(again(images(small)), small(images(small)))


def test_nothing_wrong_is_pushed(hub):
    with pytest.raises(ValueError, match='it has no filter'):
        push_to_hub(CHANGED['reverted'][0](), 'network')
    assert not hub.exists()


INJECTED = {
    'license': {'license': 'mit\ninjected: true'},
    'end of the head': {'license': 'mit\n---\n# Another card'},
    'comment': {'license': 'mit # not really'},
    'number': {'license': '2.0'},
    'no text': {'license': 3},
    'nothing': {'license': ''},
    'license_name': {'card': {'license_name': 'mine: {a: 1}'}},
    'license_link': {'card': {'license_link': ['https://a', 'b']}},
    'tags': {'card': {'tags': ['a', 'b\n- c']}},
    'Dataset': {'card': {'details': {'Dataset': ['imagenet', 'x\ny: 1']}}},
    'card': {'card': [1]},
    'details': {'card': {'details': 'x'}},
    'folder': {'folder': 3},
    'repo_id': {'repo_id': "me/x', pretrained=True); print('"},
}


@pytest.mark.parametrize('case', INJECTED)
def test_what_would_write_something_else_into_the_card_is_refused(case, small, tmp_path):
    options = {'folder': tmp_path, **INJECTED[case]}
    with pytest.raises(ValueError, match='must be'):
        save_for_hub(small, options.pop('folder'), **options)
    assert list(tmp_path.iterdir()) == []


def test_push_checks_the_card_too(hub, small):
    with pytest.raises(ValueError, match=r"license must be plain text on one line, .* got 'mit\\ninjected: true'"):
        push_to_hub(small, 'network', license='mit\ninjected: true')
    assert not hub.exists()


def test_head_of_the_card_is_what_was_asked_for(small, tmp_path):
    card = {'license_name': 'my-licence', 'license_link': 'https://a.b/c#d', 'details': {'Dataset': ['ImageNet-1k']}}
    text = (save_for_hub(small, tmp_path, license='other', card=card) / 'README.md').read_text()
    assert yaml.safe_load(text.split('---\n')[1]) == {
        'tags': ['image-classification', 'timm', 'antialias_plugins'],
        'pipeline_tag': 'image-classification',
        'library_name': 'antialias_plugins',
        'license': 'other',
        'license_name': 'my-licence',
        'license_link': 'https://a.b/c#d',
        'datasets': ['imagenet-1k'],
    }

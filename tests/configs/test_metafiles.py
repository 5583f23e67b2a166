"""The index that OpenMMLab's tools read: every config is listed, and every listed file exists."""

import re

import pytest
import yaml

from tests.configs.leaves import ROOT, leaves, parse

FOLDERS = sorted(path for path in ROOT.iterdir() if path.is_dir() and path.name != '_base_')
INDEX = ROOT.parent / 'antialias_plugins' / '.mim' / 'model-index.yml'


def read(folder):
    return yaml.safe_load((folder / 'metafile.yml').read_text())


def test_index_imports_every_folder():
    assert yaml.safe_load(INDEX.read_text()) == {
        'Import': [f'configs/{folder.name}/metafile.yml' for folder in FOLDERS]
    }


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda folder: folder.name)
def test_metafile_lists_the_configs_of_its_folder(folder):
    content = read(folder)
    (collection,) = content['Collections']
    assert collection['README'] == f'configs/{folder.name}/README.md'
    models = {model['Config']: model for model in content['Models']}
    assert len(models) == len(content['Models'])
    assert models.keys() == {f'configs/{folder.name}/{path.name}' for path in leaves(ROOT, folder.name)}
    for config, model in models.items():
        name = parse(ROOT.parent / config)
        assert config == f'configs/{folder.name}/{model["Name"]}.py'
        assert model['In Collection'] == collection['Name']
        assert model['Metadata']['Training Data'] in collection['Metadata']['Training Data']
        if name['batch']:
            accumulated = 2 if config.startswith('configs/resnet/') and name['method'] == 'ddac3' else 1
            assert model['Metadata']['Batch Size'] == int(name['gpus']) * int(name['batch']) * accumulated
        # Only what was measured here, which docs and README tell: the quickstart.
        assert ('Results' in model) == ('250_toyscapes' in config)


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda folder: folder.name)
def test_metafile_is_a_model_index(folder):
    modelindex = pytest.importorskip('modelindex.load_model_index')
    index = modelindex.load(str(folder / 'metafile.yml'))
    index.build_models_with_collections()
    assert len(index.models) == len(leaves(ROOT, folder.name))


@pytest.mark.parametrize('path', ['README.md', 'configs/deeplabv3plus/README.md'])
def test_measured_results_are_those_of_the_readme(path):
    models = [model for model in read(ROOT / 'deeplabv3plus')['Models'] if 'Results' in model]
    measured = [model['Results']['Metrics'] for model in models]
    text = (ROOT.parent / path).read_text()
    rows = re.findall(r'^\| (?:baseline|plain|lpf3|ddac3) +\| +([\d.]+) \| +([\d.]+) [±\[]', text, re.MULTILINE)
    assert [(each['mIoU'], each['mASSC']) for each in measured] == [tuple(map(float, row)) for row in rows[:3]]


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda folder: folder.name)
def test_readme_links_every_config(folder):
    text = (folder / 'README.md').read_text()
    links = [link.partition('#')[0] for link in re.findall(r'\]\((?!http)([^)]+)\)', text)]
    assert {link for link in links if link.endswith('.py')} == {path.name for path in leaves(ROOT, folder.name)}
    assert all((folder / link).exists() for link in links)
    assert (ROOT.parent / re.search(r'^config=(.+)$', text, re.MULTILINE)[1]).is_file()

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from antialias_plugins.version import __version__

ROOT = Path(__file__).parents[1]
FOLDERS = ('antialias_plugins', 'configs', 'requirements', 'tests', 'tools')


class Distributions(NamedTuple):
    sdist: Path
    wheel: Path


@pytest.fixture(scope='module')
def distributions(tmp_path_factory):
    """The sdist of a copy of the source tree, and the wheel built from that sdist."""
    source, out = tmp_path_factory.mktemp('source') / 'repo', tmp_path_factory.mktemp('dist')
    left_behind = shutil.ignore_patterns('.git', '.venv', '.*_cache', '__pycache__', '*.egg-info', 'data', 'work_dirs')
    shutil.copytree(ROOT, source, symlinks=True, ignore=left_behind)
    subprocess.run(
        [sys.executable, '-m', 'build', '--no-isolation', '--outdir', out, source], check=True, capture_output=True
    )
    return Distributions(next(out.glob('*.tar.gz')), next(out.glob('*.whl')))


def files_below(folder, suffixes):
    """Paths of the source tree below `folder`, relative to the root."""
    return {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob('*') if path.suffix in suffixes}


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith('.dist-info/METADATA'))
        return Parser().parsestr(archive.read(name).decode())


def test_sdist_carries_the_source_tree_as_real_files(distributions):
    with tarfile.open(distributions.sdist) as archive:
        files = {member.name.partition('/')[2] for member in archive if member.isfile()}
    expected = set.union(*(files_below(folder, {'.py', '.sh', '.txt'}) for folder in FOLDERS))
    assert files >= expected | {'LICENSE', 'README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', '.ci/run'}


def test_wheel_carries_configs_where_mim_looks(distributions):
    with zipfile.ZipFile(distributions.wheel) as archive:
        names = set(archive.namelist())
    expected = files_below('configs', {'.py', '.md', '.yml'})
    assert expected
    assert {f'antialias_plugins/.mim/{path}' for path in expected} <= names
    assert 'antialias_plugins/.mim/model-index.yml' in names


def test_wheel_carries_the_whole_package_and_nothing_else(distributions):
    with zipfile.ZipFile(distributions.wheel) as archive:
        names = archive.namelist()
    dist_info = f'antialias_plugins-{__version__}.dist-info'
    assert {name.partition('/')[0] for name in names} == {'antialias_plugins', dist_info}
    assert files_below('antialias_plugins', {'.py', '.css', '.html', '.js'}) <= set(names)
    assert any(re.fullmatch(rf'{re.escape(dist_info)}/(licenses/)?LICENSE', name) for name in names)
    assert not [name for name in names if name.endswith(('.pyc', '.sh'))]
    assert {Path(name).parts[2] for name in names if '/.mim/' in name} == {'configs', 'model-index.yml'}
    assert not [name for name in names if {'lab', 'tools', 'toyscapes'} & set(Path(name).parts)]


def test_metadata_names_version_and_extras(distributions):
    fields = metadata(distributions.wheel)
    assert (fields['Name'], fields['Version']) == ('antialias-plugins', __version__)
    assert fields['Requires-Python'] == '>=3.10'
    assert set(fields.get_all('Provides-Extra')) >= {'onedl', 'openmmlab', 'tests', 'dev'}


def test_plain_install_has_no_upper_bounds(distributions):
    """With lower bounds alone, an environment that has OpenMMLab keeps every package that it has."""
    required = metadata(distributions.wheel).get_all('Requires-Dist')
    assert {line for line in required if 'extra ==' not in line} == {
        'filelock',
        'numpy',
        'pillow',
        'timm>=1.0',
        'torch>=2.1',
        'safetensors',
        'scipy',
        'tqdm',
    }


def test_configs_of_the_wheel_find_their_base(distributions, tmp_path):
    config = pytest.importorskip('mmengine.config')
    with zipfile.ZipFile(distributions.wheel) as archive:
        archive.extractall(tmp_path)
    configs = tmp_path / 'antialias_plugins/.mim/configs'
    models = [folder for folder in configs.iterdir() if folder.is_dir() and folder.name != '_base_']
    assert models
    for folder in models:
        paths = sorted(folder.glob('*.py'))
        if find_spec('mmdet') is None and any("'mmdet::" in path.read_text() for path in paths):
            continue
        assert 'model' in config.Config.fromfile(paths[0], import_custom_modules=False)

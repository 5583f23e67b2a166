import ast
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from importlib import import_module
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from packaging.requirements import Requirement

import antialias_plugins as aap
from antialias_plugins.version import __version__

ROOT = Path(__file__).parents[1]
REPOSITORY = 'https://github.com/antialias-plugins/antialias-plugins'
PACKAGES = ('antialias_cli', 'antialias_plugins')
FOLDERS = (*PACKAGES, 'configs', 'docs', 'requirements', 'tests', 'tools')
TOP_FILES = ('LICENSE', 'README.md', 'CHANGELOG.md', 'CITATION.cff', 'CONTRIBUTING.md', 'SECURITY.md', 'mkdocs.yml')
PUBLIC = (
    *(
        'checkpoints',
        'conversion',
        'deployment',
        'evaluation',
        'explorer',
        'functional',
        'kernels',
        'layers',
        'metrics',
    ),
    *('timm_models', 'visualization'),
)
# Imported where they are needed: a stack, a GPU's compiler, an extra.
NOT_REQUIRED = {'matplotlib', 'mmcv', 'mmdet', 'mmengine', 'mmpretrain', 'mmseg', 'triton'}


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
    expected = set.union(*(files_below(folder, {'.py', '.sh', '.txt', '.md', '.css', '.ipynb'}) for folder in FOLDERS))
    assert files >= expected | {*TOP_FILES, '.ci/run'}


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
    assert {name.partition('/')[0] for name in names} == {*PACKAGES, dist_info}
    for package in PACKAGES:
        assert files_below(package, {'.py', '.css', '.html', '.js'}) <= set(names)
    with zipfile.ZipFile(distributions.wheel) as archive:
        assert 'antialias = antialias_cli:main' in archive.read(f'{dist_info}/entry_points.txt').decode()
    assert any(re.fullmatch(rf'{re.escape(dist_info)}/(licenses/)?LICENSE', name) for name in names)
    assert not [name for name in names if name.endswith(('.pyc', '.sh'))]
    assert {Path(name).parts[2] for name in names if '/.mim/' in name} == {'configs', 'model-index.yml'}
    assert not [name for name in names if {'lab', 'tools', 'toyscapes'} & set(Path(name).parts)]


def test_metadata_names_version_and_extras(distributions):
    fields = metadata(distributions.wheel)
    assert (fields['Name'], fields['Version']) == ('antialias-plugins', __version__)
    assert fields['Requires-Python'] == '>=3.10'
    assert set(fields.get_all('Provides-Extra')) >= {'onedl', 'openmmlab', 'tests', 'dev'}


def required(wheel, extra=''):
    """What a plain install brings, or one with an extra, by name: its specifiers."""
    lines = [Requirement(line) for line in metadata(wheel).get_all('Requires-Dist')]
    return {
        line.name: str(line.specifier) for line in lines if not line.marker or line.marker.evaluate({'extra': extra})
    }


def test_plain_install_has_the_lower_bounds_that_ci_tests_and_no_others(distributions):
    """With lower bounds alone, an environment that has OpenMMLab keeps every package that it has."""
    pins = [line for line in (ROOT / 'requirements/oldest.txt').read_text().splitlines() if not line.startswith('#')]
    expected = {}
    for pin in pins:
        name, version = pin.split('==')
        expected[name] = '>=' + re.sub(r'\.0$', '', version) if version.count('.') == 2 else '>=' + version
    assert required(distributions.wheel, 'visualization') == expected  # what draws, too


def test_what_the_package_imports_is_required(distributions):
    imported = set()
    for path in (ROOT / 'antialias_plugins').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported |= {name.partition('.')[0] for name in names}
    imported -= {*sys.stdlib_module_names, *NOT_REQUIRED, 'antialias_cli', 'antialias_plugins'}
    owners = packages_distributions()
    assert {owners[name][0].lower() for name in imported} == {*required(distributions.wheel)}


def test_links_of_the_index_lead_to_the_repository(distributions):
    links = dict(line.split(', ', 1) for line in metadata(distributions.wheel).get_all('Project-URL'))
    assert {'Documentation', 'Source', 'Changelog', 'Issues'} <= {*links}
    assert all(link.startswith(REPOSITORY) for link in links.values())
    files = [link.partition('/main/')[2] for link in links.values() if '/main/' in link]
    assert files and all((ROOT / file).exists() for file in files)


def test_citation_names_this_version_and_every_paper_of_the_filters():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert (citation['version'], citation['repository-code']) == (__version__, REPOSITORY)
    papers = {
        url
        for path in (ROOT / 'antialias_plugins/functional').glob('*.py')
        for url in re.findall(r'https://arxiv.org/abs/[\d.]+', path.read_text())
    }
    cited = {reference['url'] for reference in citation['references']}
    assert papers and papers <= cited | {'https://arxiv.org/abs/2307.09804'}  # ASAP, a window of FLC


@pytest.mark.parametrize('path', sorted((ROOT / '.github/ISSUE_TEMPLATE').glob('*.yml')), ids=lambda path: path.stem)
def test_issue_templates_are_forms(path):
    form = yaml.safe_load(path.read_text())
    if path.stem == 'config':
        assert form['contact_links'][0]['url'].startswith(REPOSITORY)
    else:
        assert {'name', 'description', 'body'} <= {*form}
        assert all(field['type'] == 'textarea' and field['attributes']['label'] for field in form['body'])


def test_public_names_are_these():
    assert aap.__all__ == [
        *('AdaptiveBlurPool2d', 'AdaptivePolyphasePool2d', 'AntialiasPlan', 'AntialiasWarning', 'BlurPool2d'),
        *('FrequencyLowCutPool2d', 'LearnablePolyphasePool2d', 'MaxBlurPool2d', 'PolyphaseUnpool2d'),
        *('TranslationInvariantPolyphasePool2d', 'UnsupportedModelError', '__version__', 'checkpoints', 'conversion'),
        *('convert_antialias', 'deployment', 'functional', 'fuse_for_inference', 'is_antialiased', 'kernels', 'layers'),
        *('metrics', 'plan_antialias', 'revert_antialias', 'testing', 'timm_models'),
    ]


@pytest.mark.parametrize('name', ['antialias_plugins', *(f'antialias_plugins.{part}' for part in PUBLIC)])
def test_dir_shows_the_public_names_alone(name):
    module = import_module(name)
    assert dir(module) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


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

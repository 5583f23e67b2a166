"""Every block of README.md and docs/, pasted by itself.

A block of Python runs in a namespace and a folder of its own; one that is a config of OpenMMLab is read by mmengine and
its model is built; the commands of a block of bash are expanded by bash and given to their own parsers, and those of
`antialias` for which a moment is enough are carried out. What a user has (pictures, a config) and what a network
downloads is a small stand-in. A block behind ``<!-- not run: REASON -->`` is left out; a test prints and counts them.
"""

import argparse
import ast
import contextlib
import doctest
import inspect
import io
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import matplotlib
import pytest
import timm
import torch
from huggingface_hub import HfApi, RepoUrl
from PIL import Image
from torch.distributed.run import get_args_parser
from torchvision.models import WeightsEnum

import antialias_plugins as aap
from antialias_cli import main
from antialias_cli.parsers import make_parser
from antialias_plugins import convert_antialias
from antialias_plugins.checkpoints import PUBLISHED
from antialias_plugins.layers.pool import METHODS
from antialias_plugins.visualization import PUBLISHED_RESULTS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]
REPOSITORY = 'https://github.com/antialias-plugins/antialias-plugins/blob/main/'
IMAGES = 'https://github.com/antialias-plugins/antialias-plugins/raw/main/'
BLOCK = re.compile(
    r'^(?:<!-- not run: (?P<reason>[^\n]+?) -->\n\n?)?(?P<indent> *)```(?P<kind>\w+)\n(?P<code>.*?)\n(?P=indent)```$',
    re.MULTILINE | re.DOTALL,
)
BOTTOM_OF_README = 180


class Block(NamedTuple):
    """A fenced block, and the line where it begins."""

    path: str
    line: int
    kind: str
    code: str
    reason: str | None

    def __str__(self):
        return f'{self.path}:{self.line}'


def blocks_of(path):
    text = path.read_text()
    for match in BLOCK.finditer(text):
        line, code = text.count('\n', 0, match.start('code')), textwrap.dedent(match['code'])
        yield Block(str(path.relative_to(ROOT)), line, match['kind'], code, match['reason'])


BLOCKS = [block for path in DOCUMENTS for block in blocks_of(path)]


def is_config(block):
    """Whether it consists of assignments of literals and dicts alone: a config of OpenMMLab."""
    parts = (
        ast.Constant,
        ast.Dict,
        ast.List,
        ast.Tuple,
        ast.Name,
        ast.UnaryOp,
        ast.keyword,
        ast.Call,
        ast.Load,
        ast.USub,
    )
    try:
        statements = ast.parse(block.code).body
    except SyntaxError:
        return False
    return all(
        isinstance(statement, ast.Assign)
        and all(isinstance(node, parts) for node in ast.walk(statement.value))
        and all(getattr(node.func, 'id', '') == 'dict' for node in ast.walk(statement) if isinstance(node, ast.Call))
        for statement in statements
    )


def of_kind(kind, chosen=lambda block: True):
    blocks = [block for block in BLOCKS if block.kind == kind and not block.reason and chosen(block)]
    return pytest.mark.parametrize('block', blocks, ids=str)


def photograph(path):
    """A small one, of the pictures that Matplotlib ships."""
    hopper = Image.open(Path(matplotlib.get_data_path(), 'sample_data', 'grace_hopper.jpg'))
    hopper.resize((272, 320)).save(path)


def photographs(path):
    path.mkdir()
    for name in 'ab':
        photograph(path / f'{name}.jpg')


# What a user has who pastes a block, by the name that it has there.
POSSESSIONS = {
    'cat.jpg': photograph,
    'photographs': photographs,
    'my_segmentor.py': lambda path: path.write_text(SEGMENTOR),
    'my_classifier.py': lambda path: path.write_text(CLASSIFIER),
    'my_detector.py': lambda path: path.write_text("_base_ = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'\n"),
    'my_mask_rcnn.py': lambda path: path.write_text(f"_base_ = '{MASK_RCNN}'\n"),
    'train.py': lambda path: path.write_text('import argparse\n'),
}
MASK_RCNN = ROOT / 'tests/configs/toy/mask_rcnn/mask-rcnn_r18_fpn_1xb2-30_toyshapes-96x128.py'
SEGMENTOR = """
default_scope = 'mmseg'
norm_cfg = dict(type='BN')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 64)),
    backbone=dict(type='ResNetV1c', depth=18, norm_cfg=norm_cfg),
    decode_head=dict(type='FCNHead', in_channels=512, channels=8, num_convs=1, num_classes=19, norm_cfg=norm_cfg),
)
"""
CLASSIFIER = """
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=18),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', in_channels=512, num_classes=10),
)
"""


@pytest.fixture
def alone(block, tmp_path, monkeypatch):
    """An empty folder to be in, but for what the block says that a user has."""
    monkeypatch.chdir(tmp_path)
    for name, make in POSSESSIONS.items():
        if re.search(rf'(?<![\w/]){re.escape(name)}\b', block.code):
            make(tmp_path / name)
    return tmp_path


class Nothing(dict):
    """Weights that were not downloaded."""


@pytest.fixture
def no_downloads(block, tmp_path, monkeypatch):
    """Random weights where published ones would be downloaded, or were; and a hub that is a folder."""
    load, load_pretrained = torch.nn.Module.load_state_dict, timm.models._builder.load_pretrained

    def fetch_weights(weights, cache_dir=None):
        path = tmp_path / weights.url.rpartition('/')[2]
        torch.save(timm.create_model(weights.name, **weights.model_args).state_dict(), path)
        return path

    def load_state_dict(self, state_dict, *args, **kwargs):
        return None if isinstance(state_dict, Nothing) else load(self, state_dict, *args, **kwargs)

    def load_given(model, pretrained_cfg, **kwargs):
        if pretrained_cfg.get('state_dict') or pretrained_cfg.get('file'):
            load_pretrained(model, pretrained_cfg=pretrained_cfg, **kwargs)

    def upload_folder(self, folder_path, **kwargs):
        shutil.copytree(folder_path, tmp_path / 'hub')

    monkeypatch.setattr(
        'antialias_plugins.checkpoints.read.sha256_of', lambda path: re.findall(r'[0-9a-f]{8}', path.name)[-1]
    )
    for module in ('antialias_plugins.checkpoints', 'antialias_plugins.timm_models.builder'):
        monkeypatch.setattr(f'{module}.fetch_weights', fetch_weights)
    for weights in PUBLISHED.values():
        if weights.sha256 and weights.url.rpartition('/')[2] in block.code:
            fetch_weights(weights)
    monkeypatch.setattr('timm.models._builder.load_pretrained', load_given)
    monkeypatch.setattr(torch.nn.Module, 'load_state_dict', load_state_dict)
    monkeypatch.setattr(WeightsEnum, 'get_state_dict', lambda self, *args, **kwargs: Nothing())
    monkeypatch.setattr(HfApi, 'create_repo', lambda self, repo_id, **kwargs: RepoUrl(f'https://hf.co/{repo_id}'))
    monkeypatch.setattr(HfApi, 'file_exists', lambda self, **kwargs: False)
    monkeypatch.setattr(HfApi, 'upload_folder', upload_folder)
    monkeypatch.setattr(
        'timm.models._hub.hf_hub_download', lambda repo, filename, **kwargs: tmp_path / 'hub' / filename
    )


@of_kind('python', lambda block: not is_config(block))
@pytest.mark.usefixtures('alone', 'no_downloads')
@pytest.mark.filterwarnings('ignore')
def test_program(block):
    if 'mmdet' in block.code:
        pytest.importorskip('mmdet')
    if block.code.startswith('>>>'):
        examples = doctest.DocTestParser().get_doctest(block.code, {}, str(block), block.path, block.line)
        flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
        assert not doctest.DocTestRunner(optionflags=flags).run(examples).failed
    else:
        exec(compile(block.code, str(block), 'exec'), {'__name__': '__main__'})


@of_kind('python', is_config)
@pytest.mark.usefixtures('alone')
@pytest.mark.filterwarnings('ignore')
def test_config(block, tmp_path):
    """It is a whole file: mmengine reads it, its model is built, its loops and hooks take what it says."""
    mmengine = pytest.importorskip('mmengine')
    if 'mmdet::' in block.code or 'my_detector' in block.code:
        pytest.importorskip('mmdet')
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    path = tmp_path / 'pasted.py'
    path.write_text(block.code)
    config = mmengine.Config.fromfile(path)
    with mmengine.registry.DefaultScope.overwrite_default_scope(config.get('default_scope', 'mmengine')):
        if 'model' in config or 'backbone' in config:
            mmengine.registry.init_default_scope(config.get('default_scope', 'mmengine'))
            assert any(
                type(it).__name__
                for it in mmengine.registry.MODELS.build(config.get('model', config.get('backbone'))).modules()
            )
        for hook in config.get('custom_hooks', ()):
            mmengine.registry.HOOKS.build(hook)
        loop = dict(config.get('test_cfg') or {})
        loop.pop('_scope_', None)
        if 'type' in loop:
            inspect.signature(mmengine.registry.LOOPS.get(loop.pop('type'))).bind(
                'runner', 'dataloader', 'evaluator', **loop
            )


class Accepted(BaseException):
    """A program's own parser took its arguments."""


@pytest.fixture
def parse(block, monkeypatch):
    """Give words to the parser of a script in Python, and stop there; a script without one runs."""
    parse_args = argparse.ArgumentParser.parse_args

    def accept(self, *args, **kwargs):
        parse_args(self, *args, **kwargs)
        raise Accepted

    def parse(program, *words):
        monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', accept)
        monkeypatch.setattr(sys, 'argv', [str(program), *words])
        monkeypatch.syspath_prepend(str(Path(program).parent))
        stderr = io.StringIO()
        try:
            with contextlib.redirect_stderr(stderr), contextlib.suppress(Accepted):
                runpy.run_path(str(program), run_name='__main__')
        except SystemExit:
            pytest.fail(f'{shlex.join([str(program), *words])}: {stderr.getvalue()}')
        except ModuleNotFoundError as error:
            assert f'pip install {error.name}' in block.code
        finally:
            monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', parse_args)

    return parse


PROGRAMS = ('antialias', 'bash', 'pip', 'torchrun')
# Taken as they are: they download, unpack or move.
FOREIGN = ('git', 'mv', 'tar', 'unzip', 'wget')
RECORD = """#!/bin/bash
if [[ $1 == -c && $(basename "$0") == python ]]; then
    answer="$ANSWERS/$(printf %s "$2" | md5sum | cut -c1-32)"
    [[ -s $answer ]] || {python} "$@" >"$answer"
    exec cat "$answer"
fi
printf '%s\\x1f' "$0" "$@" >>"$RECORD"; printf '\\x1e' >>"$RECORD"
"""


@pytest.fixture(scope='module')
def answers(tmp_path_factory):
    """What `python -c` has printed before, by its program."""
    return tmp_path_factory.mktemp('answers')


def commands(code, folder, answers):
    """The words of every command of a shell script, as bash expands them."""
    shims = folder / '.shims'
    (folder / 'tools').mkdir()
    shims.mkdir()
    scripts = [folder / 'tools' / path.name for path in (ROOT / 'tools').iterdir() if os.access(path, os.X_OK)]
    for path in [shims / name for name in (*PROGRAMS, *FOREIGN, 'python')] + [it for it in scripts if it.suffix]:
        path.write_text(RECORD.replace('{python}', sys.executable))
        path.chmod(0o755)
    for name in ('configs', 'tests'):
        (folder / name).symlink_to(ROOT / name)
    record = folder / '.record'
    record.touch()
    environment = {**os.environ, 'PATH': f'{shims}:/usr/bin:/bin', 'RECORD': str(record), 'ANSWERS': str(answers)}
    done = subprocess.run(
        ['/bin/bash', '-eu', '-c', code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    found = [line.split('\x1f')[:-1] for line in record.read_text().split('\x1e') if line]
    assert found or '=' in code, 'no command'
    return found


@of_kind('bash')
@pytest.mark.usefixtures('alone', 'no_downloads')
@pytest.mark.filterwarnings('ignore')
def test_commands(block, tmp_path, parse, answers):
    if 'mmdet' in block.code:
        pytest.importorskip('mmdet')
    for program, *words in commands(block.code, tmp_path, answers):
        missing = [word for word in words if word.startswith(('configs/', 'tests/')) and not (ROOT / word).exists()]
        assert not missing
        run(program, words, parse)


def run(program, words, parse):
    """Have the words accepted, and what `antialias` does in a moment with what is there done."""
    name = Path(program).name
    if name == 'python' and words[:2] == ['-m', 'antialias_plugins']:
        name, words = 'antialias', words[2:]
    if name == 'antialias' and words[0] == 'run':
        assert words[1].endswith('.py')
    elif name == 'antialias':
        _, unknown = make_parser().parse_known_args(words)
        assert not unknown
        files = [Path(word.rpartition('@')[2]) for word in words if re.search(r'/|\.(py|pth|tar|ckpt)$', word)]
        if words[0] not in ('config', 'weights') and all(map(Path.exists, files)):
            try:
                main(words)
            except SystemExit as end:
                assert not end.code, words
    elif name == 'python':
        parse(Path(words[0]) if Path(words[0]).exists() else ROOT / words[0], *words[1:])
    elif name == 'torchrun':
        args = get_args_parser().parse_args(words)
        run('python', [*(['-m'] if args.module else []), args.training_script, *args.training_script_args], parse)
    elif name == 'bash':
        script, config, _, *options = words
        assert Path(script).is_file()
        parse(script.replace('dist_', '').replace('.sh', '.py'), config, *options)
    elif name == 'pip':
        subprocess.run([sys.executable, '-m', 'pip', *words, '--help'], check=True, capture_output=True)
    elif program.startswith('tools/'):
        if name.endswith('.py'):
            parse(ROOT / program, *words)
    else:
        assert name in FOREIGN


def test_blocks_that_are_not_run():
    left = [block for block in BLOCKS if block.reason]
    for block in left:
        print(f'{block}: not run: {block.reason}')
    assert len(left) <= 6
    unknown = {block.kind for block in BLOCKS} - {'python', 'bash', 'text', 'bibtex', 'ini'}
    assert not unknown


README = (ROOT / 'README.md').read_text()


def test_readme_is_short():
    assert README.count('\n') <= BOTTOM_OF_README


def test_links_of_the_readme_work_from_anywhere():
    """PyPI's page knows no relative links."""
    links = re.findall(r'\]\(([^)]+)\)|^\[[^\]]+\]: (\S+)$', README, re.MULTILINE)
    links = [link for pair in links for link in pair if link]
    assert not [link for link in links if not link.startswith(('https://', '#'))]
    ours = [link.partition('#') for link in links]
    for link, _, anchor in ours:
        for start in (REPOSITORY, IMAGES):
            if link.startswith(start):
                path = ROOT / link.removeprefix(start)
                assert path.is_file(), link
                assert not anchor or anchor in anchors(path.read_text()), (link, anchor)
    defined, used = (
        set(re.findall(r'^\[([^\]]+)\]: ', README, re.MULTILINE)),
        set(re.findall(r'\]\[([^\]]+)\]', README)),
    )
    assert defined == used


def rows_of(heading):
    """The cells of the table below a heading of the README."""
    section = README.partition(f'\n## {heading}\n')[2].partition('\n## ')[0]
    rows = [line.strip('| ').split(' | ') for line in section.splitlines() if line.startswith('|')]
    return {re.sub(r'^\[?`|`.*', '', row[0]): row[1:] for row in rows[2:]}


@pytest.mark.parametrize(('column', 'arch'), [(0, 'resnet18'), (1, 'resnet50')])
def test_parameters_in_the_readme(column, arch):
    """What each method adds, in millions, as converted and as counted in the whole network."""
    rows = rows_of('Which filter')
    assert {re.sub(r'\d', '', pool) for pool in rows} == {*METHODS}
    plain = sum(parameter.numel() for parameter in timm.create_model(arch).parameters())
    for pool, cells in rows.items():
        model = convert_antialias(timm.create_model(arch), pool, example_input=torch.zeros(1, 3, 64, 64))
        added = sum(parameter.numel() for parameter in model.parameters()) - plain
        said = cells[1].split(', ')[column]
        assert said == (f'{added / 1e6:.2f} M' if added else '0'), pool
        exact = (ROOT / 'docs/comparison.md').read_text().partition('## Cost in a ResNet')[2]
        assert re.search(rf'^\| {pool} \|(.*\|){{{2 + 3 * column}}} {added:,} \|', exact, re.MULTILINE), pool


CARDS = {path.stem: path.read_text() for path in sorted((ROOT / 'docs/methods').glob('*.md'))}


def rows_below(text, heading):
    """The cells of the rows below a heading."""
    lines = text.partition(f'\n## {heading}\n')[2].partition('\n## ')[0].splitlines()
    return [[cell.strip('` ') for cell in line.strip('|').split(' | ')] for line in lines if line.startswith('|')]


def test_every_layer_has_a_card():
    layers = {inspect.getfile(method.layer) for method in METHODS.values()} | {inspect.getfile(aap.MaxBlurPool2d)}
    assert {*CARDS} == {Path(layer).stem for layer in layers}


@pytest.mark.parametrize('card', CARDS)
def test_cards_name_every_hyperparameter(card):
    module = import_module(f'antialias_plugins.layers.{card}')
    (layer,) = (getattr(aap, name) for name in re.findall(r'`(\w+Pool2d)`', CARDS[card])[:1])
    assert layer.__module__ == module.__name__
    expected = {
        name: '–' if parameter.default is parameter.empty else repr(parameter.default)
        for name, parameter in inspect.signature(layer).parameters.items()
    }
    said = {}
    for names, default, *_ in rows_below(CARDS[card], 'Hyperparameters')[2:]:
        said |= {name.strip('`'): default for name in names.split(', ')}
    assert said == expected


@pytest.mark.parametrize('card', [card for card in CARDS if card != 'max_blur_pool'])
def test_cards_say_what_the_comparison_measured(card):
    text = (ROOT / 'docs/comparison.md').read_text()
    head, _, *rows = rows_below(CARDS[card], 'Cost')
    pool = re.search(r"'(\w+)'", head[0])[1]
    (cost,) = (row for row in rows_below(text, 'Cost in a ResNet') if row[0].strip() == pool)
    said = {title: cells for title, *cells in rows}
    step, inference, added = ([cost[column].strip(), cost[column + 3].strip()] for column in (1, 2, 3))
    assert (said['training step, CPU'], said['inference, CPU'], said['parameters added']) == (step, inference, added)
    measured = {row[0].strip(): row for row in rows_below(text, 'Accuracy and consistency')}
    for name, *figures in rows_below(CARDS[card], 'Numbers'):
        if re.match(r'baseline|\w+\d?-circular|[a-z]+3?$', name):
            assert figures == [measured[name][column].strip() for column in (1, 3, 5)], name


def test_published_figures_in_the_readme():
    plain = {result.name: result for result in PUBLISHED_RESULTS if result.series == 'baseline'}
    for title, cells in rows_of('Published weights').items():
        arch = title.lower().replace('-', '')
        published = [plain[arch], PUBLISHED[f'{arch}_lpf4.adobe_ft_in1k'], PUBLISHED.get(f'{arch}_ddac3.zou_in1k')]
        figures = [tuple(map(float, cell.split(', '))) if cell != '–' else None for cell in cells]
        assert figures == [it and (it.accuracy, it.consistency) for it in published]
    for sentence in (
        f"Zhang's {sum('adobe' in key for key in PUBLISHED)} files",
        f'[{len(timm.list_models(module="antialiased"))} names]',
    ):
        assert sentence in README


def anchors(text):
    """What GitHub makes of headings."""
    titles = re.findall(r'^#+ (.+)$', re.sub(r'^```.*?^```', '', text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


@pytest.mark.parametrize('path', DOCUMENTS[1:], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(path):
    text = re.sub(r'^ *```.*?^ *```', '', path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r'\]\(([^)\s]+)\)', text):
        target, _, anchor = link.partition('#')
        if not target.startswith('http'):
            found = path.parent / target if target else path
            assert found.exists(), link
            assert not anchor or anchor in anchors(found.read_text()), link

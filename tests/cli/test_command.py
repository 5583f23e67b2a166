"""The command as a whole: help without torch, what may be meant, missing extras, and interruptions."""

import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from antialias_cli import main
from antialias_cli.parsers import _SETTINGS, COMMANDS, INTERPOLATIONS
from antialias_plugins.evaluation import Settings, TimmModel, classifier
from antialias_plugins.evaluation.settings import DEFAULTS
from antialias_plugins.explorer import DIRECTIONS
from antialias_plugins.openmmlab.child_config import LIBRARIES
from tests.evaluation.conftest import photographs as photographs
from tests.explorer.conftest import photograph as photograph

HELPS = [[], *([name] for name in COMMANDS), *(['weights', kind] for kind in ('fetch', 'verify', 'convert'))]


def in_a_process(code, *arguments):
    return subprocess.run([sys.executable, '-c', code, *arguments], capture_output=True, text=True)


def test_help_and_version_import_nothing_large():
    code = f"""
import json, sys
from antialias_cli import main
for arguments in [['--version'], *([*words, '--help'] for words in {HELPS})]:
    try:
        main(arguments)
    except SystemExit as stop:
        assert not stop.code
sys.stderr.write(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))
"""
    done = in_a_process(code)
    loaded = set(json.loads(done.stderr))
    assert not loaded & {'torch', 'numpy', 'timm', 'PIL', 'tqdm', 'mmengine', 'matplotlib', 'antialias_plugins'}
    assert done.stdout.count('usage: ') == len(HELPS)


def test_version(antialias):
    assert antialias('--version').out.split() == ['antialias-plugins', importlib.metadata.version('antialias-plugins')]


def test_without_a_command_all_are_listed(antialias):
    answer = antialias()
    assert answer.status == 2
    assert all(re.search(rf'^  {name} ', answer.out, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ('evl resnet18', "antialias: 'evl' is no command; did you mean eval? (see antialias --help)"),
        ('quickstart', "antialias: 'quickstart' is no command (see antialias --help)"),
        ('plan', 'antialias plan: the following arguments are required: NETWORK (see antialias plan --help)'),
        ('plan resnet18 --pol lpf3', 'antialias plan: unknown argument --pol; did you mean --pool? (see .*'),
        ('weights', 'antialias weights: the following arguments are required: fetch|verify|convert (see .*'),
        ('weights verify', 'antialias weights verify: the following arguments are required: FILE (see .*'),
        ('config --pool lpf3', 'antialias config: the following arguments are required: BASE, -o/--out (see .*'),
        ('info --json', 'antialias info: argument --json: expected one argument (see .*'),
        ('explore a b --images c --direction up', 'antialias explore: argument --direction: invalid choice: .*'),
        (
            'report a --images b --margin x',
            "antialias report: argument --margin: must be an integer .* got 'x' (see .*",
        ),
        ('eval a --crop-pct 2', "antialias eval: argument --crop-pct: must be above 0 and at most 1, got '2' (see .*"),
        (
            'compare a --views 1',
            "antialias compare: argument --views: must be an integer of at least 2, got '1' (see .*",
        ),
    ],
)
def test_wrong_use_is_one_line(arguments, message, antialias):
    answer = antialias(*arguments.split())
    assert (answer.status, answer.out) == (2, '')
    pattern = '.*'.join(map(re.escape, message.split('.*')))
    assert re.fullmatch(pattern + '\n', answer.err)


def test_parsers_offer_what_the_package_takes():
    rows = [row for rows in _SETTINGS.values() for row in rows]
    helps = {declaration.split()[0][2:].replace('-', '_'): help for declaration, help, _ in rows}
    assert sorted(helps) == sorted(Settings.__dataclass_fields__)
    assert INTERPOLATIONS == classifier.INTERPOLATIONS
    told = {name: re.search(r'\(default: ([\w.]+)\)', help) for name, help in helps.items()}
    for name in ('max_shift', 'views', 'seed', 'protocol', 'score_threshold'):
        assert told[name][1] == str(DEFAULTS[name])


@pytest.mark.parametrize(
    ('command', 'known'), [('explore', ','.join(DIRECTIONS)), ('weights convert', ','.join(LIBRARIES))]
)
def test_choices_are_those_of_the_package(command, known, antialias):
    assert f'{{{known}}}' in antialias(*command.split(), '--help').out


BLOCKED = """
import sys
from importlib.machinery import PathFinder

find, blocked = PathFinder.find_spec, sys.argv.pop(1)
PathFinder.find_spec = lambda name, *others: None if name.partition('.')[0] == blocked else find(name, *others)
from antialias_cli import main
main()
"""


@pytest.mark.parametrize(
    ('module', 'extra', 'arguments'),
    [
        ('matplotlib', 'visualization', 'compare resnet18 resnet34 --no-pretrained --images photos --figure a.png'),
        ('mmengine', 'onedl', 'eval a.py@b.pth'),
        ('mmseg', 'onedl', 'plan a.py'),
    ],
)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(module, extra, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('a.py', 'b.pth', 'photos/a/0.jpg'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'a.py').write_text("default_scope = 'mmseg'\nmodel = dict(backbone=dict(type='ResNetV1c', depth=18))")
    done = in_a_process(BLOCKED, module, *arguments.split())
    command = arguments.split()[0]
    expected = f"antialias {command}: needs {module}, which is not installed: pip install 'antialias-plugins[{extra}]'"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, expected), done.stderr


@pytest.mark.parametrize(
    ('arguments', 'function'),
    [
        ('plan resnet18', 'antialias_cli.networks.plan_antialias'),
        ('report resnet18 --no-pretrained --images face.png', 'antialias_cli.networks.measure_signals'),
        ('explore resnet18 --no-pretrained --images face.png', 'antialias_cli.networks.predict'),
        ('eval resnet18 --no-pretrained --images face.png', 'antialias_plugins.evaluation.models.evaluate'),
        ('compare resnet18 --no-pretrained --images face.png', 'antialias_plugins.evaluation.models.evaluate'),
        ('weights fetch resnet18_lpf4', 'antialias_cli.weights.fetch_weights'),
        ('weights verify face.png', 'antialias_cli.weights.sha256_of'),
        ('weights convert face.png a.pth --arch resnet18_lpf4', 'antialias_cli.weights.export_checkpoint'),
        ('info', 'antialias_cli.system.describe_environment'),
    ],
)
def test_an_interruption_is_one_line(arguments, function, antialias, photograph, tmp_path, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    (tmp_path / 'face.png').symlink_to(photograph)
    monkeypatch.setattr(function, interrupted)
    answer = antialias(*arguments.split())
    assert answer.status == 130
    assert re.fullmatch(r'antialias [\w ]+: interrupted, nothing (written|kept, for want of --json)', answer.line)
    assert [path.name for path in tmp_path.iterdir()] == ['face.png']


def test_our_own_faults_keep_their_traceback(monkeypatch):
    monkeypatch.setattr('antialias_cli.system.describe_environment', lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(['info'])


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    code = 'from antialias_cli import main; main()'
    process = subprocess.Popen(
        [sys.executable, '-c', code, 'info'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    assert process.stderr.read() == ''


@pytest.fixture
def many(photographs, tmp_path):
    """Pictures enough for a measurement that takes a while."""
    folder = tmp_path / 'many'
    folder.mkdir()
    for number in range(400):
        (folder / f'{number}.png').symlink_to(photographs / 'validation/face/0.png')
    return folder


def interrupt(*arguments, after):
    """Interrupt a process as a terminal does, with its workers, when its progress bar says so; return what it said."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'antialias_plugins', *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Python ignores interrupts where the tests run in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    seen = ''
    while not re.search(after, seen):
        seen += process.stderr.read(1)
        assert process.poll() is None, seen
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert 'Traceback' not in rest
    return rest.splitlines()[-1]


SMALL = ['--no-pretrained', '--size', '48', '--max-shift', '16', '--batch-size', '1', '--workers', '2']


def test_an_interrupted_evaluation_leaves_the_old_file(many, tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('old')
    arguments = ['eval', 'resnet18', *SMALL, '--images', many, '--json', path, '--overwrite']
    assert interrupt(*arguments, after=r'[1-9]\d*/400') == 'antialias eval: interrupted, nothing written'
    assert path.read_text() == 'old'
    assert sorted(tmp_path.iterdir()) == [path, many]


def test_an_interrupted_comparison_goes_on(many, tmp_path, antialias, monkeypatch):
    for path in sorted(many.iterdir())[60:]:
        path.unlink()
    path = tmp_path / 'a.json'
    arguments = ['compare', 'resnet10t', 'resnet10t+lpf3', *SMALL, '--images', many, '--json', path]
    line = interrupt(*arguments, after=r'(?s)lpf3.* [1-9]\d*/60')
    assert line == 'antialias compare: interrupted, what was measured is kept: run it again to go on'
    assert [record['model'] for record in json.loads(path.read_text())['models']] == ['resnet10t']
    measure, measured = TimmModel.evaluate, []
    monkeypatch.setattr(
        TimmModel, 'evaluate', lambda model, *args: measured.append(model.pool) or measure(model, *args)
    )
    assert antialias(*arguments, '--workers', 0).status == 0
    assert measured == ['lpf3']

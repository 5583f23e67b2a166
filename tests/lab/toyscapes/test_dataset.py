import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from antialias_plugins.utils import partial_of
from lab.toyscapes import IGNORE, dataset, make_dataset, parse_size
from lab.toyscapes.layouts import LAYOUTS

SIZE = (96, 48)
TOOL = Path(__file__).parents[3] / 'tools' / 'make_toyscapes.py'


def digests(root):
    files = sorted(path for path in root.rglob('*') if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def pictures(root):
    return {name: digest for name, digest in digests(root).items() if name.endswith('.png')}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('toyscapes') / 'data'
    assert make_dataset(root, SIZE, train=5, val=2, seed=3)
    return root


def test_layout_is_that_of_cityscapes(root):
    images = sorted(root.glob('leftImg8bit/*/*/*_leftImg8bit.png'))
    assert [path.parents[1].name for path in images].count('train') == 5
    assert len(images) == 7
    for path in images:
        city, sequence, frame, _ = path.name.split('_')
        assert city == path.parent.name and len(sequence) == len(frame) == 6
        labels = root / 'gtFine' / path.parents[1].name / city / f'{city}_{sequence}_{frame}_gtFine_labelTrainIds.png'
        with Image.open(path) as picture, Image.open(labels) as ids:
            assert (picture.size, picture.mode) == (SIZE, 'RGB')
            assert (ids.size, ids.mode) == (SIZE, 'L')
            assert set(np.unique(ids)) <= {*range(19), IGNORE}


def test_same_seed_same_bytes_however_many_workers(root, tmp_path):
    make_dataset(tmp_path / 'data', SIZE, train=5, val=2, seed=3, workers=2)
    assert digests(tmp_path / 'data') == digests(root)


def test_a_smaller_data_set_is_a_prefix_of_a_larger(root, tmp_path):
    make_dataset(tmp_path / 'data', SIZE, train=2, val=1, seed=3)
    assert pictures(tmp_path / 'data').items() < pictures(root).items()


def test_another_seed_makes_other_pictures(root, tmp_path):
    make_dataset(tmp_path / 'data', SIZE, train=5, val=2, seed=4)
    other = pictures(tmp_path / 'data')
    assert other.keys() == pictures(root).keys()
    assert not set(other.values()) & set(pictures(root).values())


def test_splits_differ(root):
    assert len(set(pictures(root).values())) == len(pictures(root))


@pytest.mark.parametrize('split, count', [('train', 5), ('val', 2)])
def test_mmseg_reads_it_as_cityscapes(root, split, count):
    datasets = pytest.importorskip('mmseg.datasets')
    pytest.importorskip('mmengine.registry').init_default_scope('mmseg')
    data = datasets.CityscapesDataset(
        data_root=str(root),
        data_prefix={'img_path': f'leftImg8bit/{split}', 'seg_map_path': f'gtFine/{split}'},
        pipeline=[{'type': name} for name in ('LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs')],
    )
    assert len(data) == count
    for item in data:
        image, labels = item['inputs'], item['data_samples'].gt_sem_seg.data
        assert image.shape == (3, SIZE[1], SIZE[0])
        assert labels.shape == (1, SIZE[1], SIZE[0])
        with Image.open(item['data_samples'].seg_map_path) as ids:
            assert np.array_equal(labels[0].numpy(), np.asarray(ids))


def test_running_again_touches_nothing(root):
    before = {path: path.stat().st_mtime_ns for path in root.rglob('*')}
    assert not make_dataset(root, SIZE, train=5, val=2, seed=3)
    assert {path: path.stat().st_mtime_ns for path in root.rglob('*')} == before


@pytest.fixture
def interrupted(monkeypatch):
    """Ctrl-C while the third picture is made."""
    real, calls = dataset.render_scene, []

    def render(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(dataset, 'render_scene', render)


@pytest.mark.usefixtures('interrupted')
@pytest.mark.parametrize('layout', LAYOUTS)
def test_interruption_leaves_nothing(tmp_path, layout):
    with pytest.raises(KeyboardInterrupt):
        make_dataset(tmp_path / 'data', SIZE, train=4, val=1, layout=layout)
    assert [path.name for path in tmp_path.iterdir()] == ['.data.lock']


def test_interrupted_overwriting_leaves_the_old(tmp_path, request):
    make_dataset(tmp_path / 'data', SIZE, train=1, val=1)
    before = digests(tmp_path)
    request.getfixturevalue('interrupted')
    with pytest.raises(KeyboardInterrupt):
        make_dataset(tmp_path / 'data', SIZE, train=4, val=1, overwrite=True)
    assert digests(tmp_path) == before


def test_leftovers_of_a_killed_run_are_cleared(tmp_path):
    """But not what lies there under a similar name."""
    dead = subprocess.Popen([sys.executable, '-c', ''])
    dead.wait()
    leftover = partial_of(tmp_path / 'data')
    leftover = leftover.with_name(leftover.name.replace(f'-{os.getpid()}-', f'-{dead.pid}-'))
    for folder in (leftover, tmp_path / '.data.partial', tmp_path / '.data.old'):
        (folder / 'gtFine').mkdir(parents=True)
    make_dataset(tmp_path / 'data', SIZE, train=1, val=0)
    assert {path.name for path in tmp_path.iterdir()} == {'data', '.data.lock', '.data.partial', '.data.old'}
    assert (tmp_path / '.data.partial' / 'gtFine').exists() and (tmp_path / '.data.old' / 'gtFine').exists()


def test_a_second_one_waits_and_finds_it_made(tmp_path, capfd):
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: make_dataset(tmp_path / 'data', (256, 128), train=9, val=0), range(2)))
    assert sorted(made) == [False, True] and len(pictures(tmp_path / 'data')) == 18
    assert f'{tmp_path / "data"}: another process is at work on it; waiting' in capfd.readouterr().err


DAMAGES = {
    'deleted': lambda path: path.unlink(),
    'cut': lambda path: path.write_bytes(path.read_bytes()[:9]),
    'empty': lambda path: path.write_bytes(b''),
}


@pytest.mark.parametrize('case', DAMAGES)
def test_pictures_that_are_gone_are_noticed(case, tmp_path):
    root = tmp_path / 'data'
    make_dataset(root, SIZE, train=2, val=1)
    before = digests(root)
    (root / 'mine.txt').write_text('kept beside')
    assert not make_dataset(root, SIZE, train=2, val=1)
    picture = min(root.glob('leftImg8bit/*/*/*.png'))
    DAMAGES[case](picture)
    name = picture.relative_to(root).as_posix()
    with pytest.raises(ValueError, match=rf'1 files are missing or have changed \({name}\); .*--overwrite'):
        make_dataset(root, SIZE, train=2, val=1)
    assert make_dataset(root, SIZE, train=2, val=1, overwrite=True)
    assert digests(root) == before


@pytest.mark.parametrize('text', ['', '{"generator": '], ids=['empty', 'cut'])
def test_a_broken_manifest_is_named_and_replaced_when_asked_to(text, tmp_path):
    root = tmp_path / 'data'
    make_dataset(root, SIZE, train=1, val=0)
    before = digests(root)
    (root / 'toyscapes.json').write_text(text)
    with pytest.raises(
        ValueError, match=r'toyscapes\.json must be the manifest of a ToyScapes, but it is empty or broken'
    ):
        make_dataset(root, SIZE, train=1, val=0)
    assert make_dataset(root, SIZE, train=1, val=0, overwrite=True) and digests(root) == before


def test_overwrite_replaces_another_toyscapes(tmp_path):
    make_dataset(tmp_path / 'data', SIZE, train=2, val=0)
    assert make_dataset(tmp_path / 'data', SIZE, train=1, val=0, overwrite=True)
    assert len(pictures(tmp_path / 'data')) == 2
    assert json.loads((tmp_path / 'data' / 'toyscapes.json').read_text())['train'] == 1


@pytest.mark.parametrize(
    'arguments, message',
    [
        ({'size': (63, 48)}, 'size must be at least 64x32, got 63x48'),
        ({'size': (96, 31)}, 'size must be at least 64x32, got 96x31'),
        ({'train': -1}, 'train must be at least 0, got -1'),
        ({'val': -2}, 'val must be at least 0, got -2'),
        ({'train': 0, 'val': 0}, r'train \+ val must be at least 1, got 0'),
        ({'seed': -1}, 'seed must be at least 0, got -1'),
        ({'workers': 0}, 'workers must be at least 1, got 0'),
        ({'layout': 'coco'}, "layout must be one of cityscapes, voc, got 'coco'"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_dataset(tmp_path / 'data', **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_without_layout_is_of_cityscapes(tmp_path):
    make_dataset(tmp_path / 'data', SIZE, train=1, val=0)
    path = tmp_path / 'data' / 'toyscapes.json'
    manifest = json.loads(path.read_text())
    assert manifest.pop('layout') == 'cityscapes'
    path.write_text(json.dumps(manifest))
    assert not make_dataset(tmp_path / 'data', SIZE, train=1, val=0)
    with pytest.raises(ValueError, match=r'with layout cityscapes instead of voc; .*--overwrite'):
        make_dataset(tmp_path / 'data', SIZE, train=1, val=0, layout='voc')


def test_other_arguments_on_an_existing_folder(root):
    with pytest.raises(ValueError, match=r'train 5 instead of 6, seed 3 instead of 9; .*--overwrite'):
        make_dataset(root, SIZE, train=6, val=2, seed=9)


@pytest.mark.parametrize('overwrite', [False, True])
def test_a_folder_of_somebody_else_is_never_replaced(tmp_path, overwrite):
    (tmp_path / 'thesis.tex').write_text('precious')
    with pytest.raises(ValueError, match='holds other things'):
        make_dataset(tmp_path, SIZE, train=1, val=0, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']


def test_out_is_a_file(tmp_path):
    (tmp_path / 'data').write_text('')
    with pytest.raises(ValueError, match='out must be a folder, got the file'):
        make_dataset(tmp_path / 'data', SIZE, train=1, val=0)


@pytest.mark.parametrize('text', ['512', '512x', 'x256', '512*256', '-512x256', '512x256x3', ''])
def test_size_must_be_width_x_height(text):
    with pytest.raises(ValueError, match='size must be WIDTHxHEIGHT'):
        parse_size(text)


@pytest.fixture
def run(monkeypatch):
    spec = importlib.util.spec_from_file_location('make_toyscapes', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def run(*args):
        monkeypatch.setattr('sys.argv', ['make_toyscapes.py', *map(str, args)])
        tool.main()

    return run


def test_command_line(run, tmp_path, capsys):
    args = [
        '--out',
        tmp_path / 'data',
        '--size',
        '64x32',
        '--train',
        2,
        '--val',
        1,
        '--preview',
        tmp_path / 'a' / 'sheet.png',
    ]
    run(*args)
    assert 'written' in capsys.readouterr().out
    assert (tmp_path / 'a' / 'sheet.png').is_file()
    run(*args)
    assert 'already there' in capsys.readouterr().out


@pytest.mark.parametrize('option, value', [('--size', '5x5'), ('--size', 'big'), ('--train', '-1'), ('--workers', '0')])
def test_command_line_explains_errors(run, tmp_path, capsys, option, value):
    with pytest.raises(SystemExit) as stopped:
        run('--out', tmp_path / 'data', option, value)
    assert stopped.value.code == 2
    assert f'error: {option[2:]} must be' in capsys.readouterr().err

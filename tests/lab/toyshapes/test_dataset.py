import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lab.toyshapes import CATEGORIES, Instance, dataset, make_dataset, render_scene
from lab.toyshapes.dataset import annotation, document, run_lengths


@pytest.mark.parametrize('share', [0, 0.1, 0.5, 0.9, 1])
def test_runs_are_those_that_pycocotools_decodes(share):
    mask = np.random.default_rng(0).random((7, 5)) < share
    coco = pytest.importorskip('pycocotools.mask')
    encoded = coco.frPyObjects(run_lengths(mask), *mask.shape)
    assert np.array_equal(coco.decode(encoded).astype(bool), mask)
    assert coco.encode(np.asfortranarray(mask.astype(np.uint8))) == encoded


def test_runs_by_hand():
    mask = np.array([[0, 1, 0], [0, 1, 1]], bool)
    assert run_lengths(mask) == {'counts': [2, 2, 1, 1], 'size': [2, 3]}


@pytest.mark.parametrize('crowd', [False, True])
def test_annotation_by_hand(crowd):
    mask = np.zeros((6, 8), bool)
    mask[1:4, 2:7] = True
    mask[2, 3:6] = False
    found = annotation(Instance('ring', mask, crowd))
    assert (found['bbox'], found['area'], found['iscrowd']) == ([2, 1, 5, 3], 12, int(crowd))
    assert CATEGORIES[found['category_id'] - 1] == 'ring'


def test_ids_are_counted_over_all_images():
    found = {'category_id': 1}
    content = document([{'id': 7}, {'id': 9}, {'id': 11}], [[found, found], [], [found]])
    assert [(item['id'], item['image_id']) for item in content['annotations']] == [(1, 7), (2, 7), (3, 11)]
    assert [category['id'] for category in content['categories']] == [*range(1, 9)]


SIZE = (80, 64)
TOOL = Path(__file__).parents[3] / 'tools' / 'make_toyshapes.py'


def digests(root):
    files = sorted(path for path in root.rglob('*') if path.is_file() and path.suffix != '.lock')
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('toyshapes') / 'data'
    assert make_dataset(root, SIZE, train=5, val=2, seed=3)
    return root


@pytest.mark.parametrize(('split', 'count'), [('train', 5), ('val', 2)])
def test_layout_is_that_of_coco(root, split, count):
    content = json.loads((root / 'annotations' / f'instances_{split}2017.json').read_text())
    files = {image['file_name'] for image in content['images']}
    assert files == {path.name for path in (root / f'{split}2017').iterdir()}
    assert len(files) == count
    for image in content['images']:
        assert image['file_name'] == f'{image["id"]:012d}.png'
        with Image.open(root / f'{split}2017' / image['file_name']) as picture:
            assert (picture.size, picture.mode) == ((image['width'], image['height']), 'RGB') == (SIZE, 'RGB')
    assert [category['name'] for category in content['categories']] == list(CATEGORIES)


def test_pycocotools_reads_what_was_painted(root):
    coco = pytest.importorskip('pycocotools.coco').COCO(str(root / 'annotations' / 'instances_train2017.json'))
    mask = pytest.importorskip('pycocotools.mask')
    for index, image in enumerate(sorted(coco.imgs)):
        picture, instances = render_scene(3, 'train', index, *SIZE)
        with Image.open(root / 'train2017' / coco.imgs[image]['file_name']) as file:
            assert file.tobytes() == picture.tobytes()
        found = coco.loadAnns(coco.getAnnIds(imgIds=image))
        assert [coco.cats[item['category_id']]['name'] for item in found] == [i.category for i in instances]
        assert [item['iscrowd'] for item in found] == [i.crowd for i in instances]
        for item, instance in zip(found, instances, strict=True):
            assert np.array_equal(coco.annToMask(item).astype(bool), instance.mask)
            runs = coco.annToRLE(item)
            assert item['area'] == mask.area(runs)
            assert item['bbox'] == mask.toBbox(runs).tolist()


def test_no_image_is_in_both_splits(root):
    ids = [
        image['id']
        for path in sorted((root / 'annotations').iterdir())
        for image in json.loads(path.read_text())['images']
    ]
    assert len(set(ids)) == len(ids) == 7


def test_same_seed_same_bytes(root, tmp_path):
    make_dataset(tmp_path / 'data', SIZE, train=5, val=2, seed=3)
    assert digests(tmp_path / 'data') == digests(root)


def test_a_picture_does_not_depend_on_how_many_there_are(root, tmp_path):
    make_dataset(tmp_path / 'data', SIZE, train=1, val=2, seed=3)
    fewer = {name: digest for name, digest in digests(tmp_path / 'data').items() if name.endswith('.png')}
    assert len(fewer) == 3
    assert fewer.items() <= digests(root).items()


def test_running_again_touches_nothing(root):
    before = {path: path.stat().st_mtime_ns for path in root.rglob('*')}
    assert not make_dataset(root, SIZE, train=5, val=2, seed=3)
    assert {path: path.stat().st_mtime_ns for path in root.rglob('*')} == before


def test_interruption_leaves_what_was_there(tmp_path, monkeypatch):
    make_dataset(tmp_path / 'data', SIZE, train=1, val=1)
    before = digests(tmp_path)

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset, 'document', interrupted)
    for folder in ('data', 'new'):
        with pytest.raises(KeyboardInterrupt):
            make_dataset(tmp_path / folder, SIZE, train=2, val=1, overwrite=True)
    assert digests(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir() if path.suffix != '.lock'] == ['data']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'size': (63, 64)}, 'size must be at least 64x64, got 63x64'),
        ({'train': -1}, 'train must be at least 0, got -1'),
        ({'train': 0, 'val': 0}, r'train \+ val must be at least 1, got 0'),
        ({'seed': -1}, 'seed must be at least 0, got -1'),
        ({'workers': 0}, 'workers must be at least 1, got 0'),
    ],
    ids=['size', 'train', 'nothing', 'seed', 'workers'],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_dataset(tmp_path / 'data', **arguments)
    assert list(tmp_path.iterdir()) == []


def test_other_arguments_on_an_existing_folder(root):
    with pytest.raises(ValueError, match=r'another ToyShapes, got .* with train 5 instead of 6, seed 3 instead of 9;'):
        make_dataset(root, SIZE, train=6, val=2, seed=9)


def test_a_toyscapes_is_never_replaced(tmp_path):
    (tmp_path / 'toyscapes.json').write_text('{}')
    with pytest.raises(ValueError, match=r'must be a new folder or a ToyShapes, .* holds other things'):
        make_dataset(tmp_path, SIZE, train=1, val=0, overwrite=True)


@pytest.fixture
def run(monkeypatch):
    spec = importlib.util.spec_from_file_location('make_toyshapes', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def run(*args):
        monkeypatch.setattr('sys.argv', ['make_toyshapes.py', *map(str, args)])
        tool.main()

    return run


def test_command_line(run, tmp_path, capsys):
    args = ['--out', tmp_path / 'data', '--size', '80x64', '--train', 0, '--val', 1, '--preview', tmp_path / 'a.png']
    run(*args)
    assert 'written' in capsys.readouterr().out
    assert (tmp_path / 'a.png').is_file()
    run(*args)
    assert 'already there' in capsys.readouterr().out


@pytest.mark.parametrize(('option', 'value'), [('--size', '5x5'), ('--size', 'big'), ('--train', '-1')])
def test_command_line_explains_errors(run, tmp_path, capsys, option, value):
    with pytest.raises(SystemExit) as stopped:
        run('--out', tmp_path / 'data', option, value)
    assert stopped.value.code == 2
    assert f'error: {option[2:]} must be' in capsys.readouterr().err

import numpy as np
import pytest

from lab.toyshapes import CATEGORIES, Instance
from lab.toyshapes.coco import annotation, document, run_lengths


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

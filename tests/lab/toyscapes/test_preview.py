import numpy as np
import pytest

from lab.toyscapes import CLASSES, IGNORE, PALETTE, colorize, contact_sheet, make_dataset


def test_colors_are_one_per_class():
    assert len(CLASSES) == len(PALETTE) == len(set(PALETTE)) == 19
    colors = colorize(np.array([[0, 13, IGNORE]], np.uint8))
    assert colors.tolist() == [[[128, 64, 128], [0, 0, 142], [0, 0, 0]]]


def test_sheet_shows_pictures_beside_labels(tmp_path):
    make_dataset(tmp_path / 'data', (64, 32), train=2, val=1)
    for scenes, columns, rows in ((1, 1, 1), (2, 2, 1), (8, 2, 2)):
        sheet = contact_sheet(tmp_path / 'data', scenes)
        assert sheet.width >= columns * 2 * 64
        assert sheet.height >= rows * 32


def test_sheet_of_nothing(tmp_path):
    with pytest.raises(ValueError, match=r'root must hold leftImg8bit.* or JPEGImages/\*.jpg'):
        contact_sheet(tmp_path)


def test_sheet_of_voc_has_vocs_colors(tmp_path):
    make_dataset(tmp_path / 'data', (64, 32), train=1, val=0, layout='voc')
    sheet = np.asarray(contact_sheet(tmp_path / 'data'))
    assert {(192, 128, 128), (224, 224, 192)} <= set(map(tuple, sheet.reshape(-1, 3).tolist()))  # person, border

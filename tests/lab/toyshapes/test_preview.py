import json

import numpy as np
import pytest

from lab.toyshapes import PALETTE, contact_sheet, make_dataset


@pytest.mark.parametrize(('train', 'val', 'columns', 'rows'), [(3, 1, 2, 2), (0, 1, 1, 1)], ids=['train', 'val'])
def test_sheet_shows_pictures_beside_instances(tmp_path, train, val, columns, rows):
    make_dataset(tmp_path / 'data', (80, 64), train=train, val=val)
    sheet = contact_sheet(tmp_path / 'data', scenes=3, zoom=2)
    assert sheet.width >= columns * 2 * 2 * 80
    assert sheet.height >= rows * 2 * 64
    split = 'train' if train else 'val'
    content = json.loads((tmp_path / 'data' / 'annotations' / f'instances_{split}2017.json').read_text())
    shown = set(map(tuple, np.asarray(sheet).reshape(-1, 3).tolist()))
    assert {PALETTE[found['category_id'] - 1] for found in content['annotations']} <= shown


def test_sheet_of_nothing(tmp_path):
    with pytest.raises(ValueError, match='root must hold annotations'):
        contact_sheet(tmp_path)

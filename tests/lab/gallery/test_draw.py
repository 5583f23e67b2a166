import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from antialias_plugins.explorer import PageSegmentor
from lab import toyscapes
from lab.gallery import FIGURES, draw, draw_gallery

CONFIGS = Path(__file__).parents[3] / 'configs/deeplabv3plus'


@pytest.fixture
def quickstart(monkeypatch, tmp_path):
    """Folders of a quickstart with small pictures, few shifts and networks that nobody trained."""
    apis = pytest.importorskip('mmseg.apis')
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(256, size=(100, 140, 3), dtype=np.uint8)).save(tmp_path / 'image.png')
    Image.fromarray(rng.integers(19, size=(100, 140), dtype=np.uint8)).save(tmp_path / 'labels.png')

    def load_network(folder):
        name = Path(folder).name
        method = '' if name == 'baseline' else f'-{name}'
        torch.manual_seed(0)
        segmentor = apis.init_model(
            str(CONFIGS / f'deeplabv3plus_r18{method}-d16_1xb4-250_toyscapes-96x192.py'), device='cpu'
        )
        torch.nn.init.normal_(segmentor.decode_head.conv_seg.weight)  # without training hardly anything flips
        segmentor.dataset_meta = {'classes': toyscapes.CLASSES, 'palette': toyscapes.PALETTE}
        return PageSegmentor(name, toyscapes.CLASSES, toyscapes.PALETTE, None, segmentor)

    monkeypatch.setattr(draw, 'load_network', load_network)
    monkeypatch.setattr(draw, 'images_and_labels', lambda _: [(tmp_path / 'image.png', tmp_path / 'labels.png')])
    monkeypatch.setattr(draw, 'MAX_SHIFT', 2)
    monkeypatch.setattr(draw, 'typical_pixel', lambda sequences, labels: (1, 2))  # these networks know none
    return [tmp_path / 'baseline', tmp_path / 'ddac3']


def test_every_figure_is_drawn_on_white(quickstart, tmp_path):
    files = draw_gallery(quickstart, tmp_path / 'out', tmp_path / 'image.png')
    assert [file.name for file in files] == list(FIGURES)
    for file in files:
        with Image.open(file) as picture:
            assert picture.format == {'.png': 'PNG', '.webp': 'WEBP'}[file.suffix]
            assert min(picture.size) > 200
            assert picture.convert('RGB').getpixel((0, 0)) == (255, 255, 255)
    assert sorted(tmp_path.joinpath('out').iterdir()) == sorted(files)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'names': ['mona_lisa.png']}, 'names must be some of stability.png, .*, got mona_lisa.png'),
        (
            {'names': ['filter_spread.webp'], 'count': 1},
            'folders must hold a network with adaptive filters, got .*baseline',
        ),
    ],
    ids=['figure', 'filters'],
)
def test_what_is_missing_is_named(options, message, quickstart, tmp_path):
    with pytest.raises(ValueError, match=message):
        draw_gallery(quickstart[: options.get('count')], tmp_path / 'out', tmp_path / 'image.png', options['names'])


TOOL = Path(__file__).parents[3] / 'tools/make_figures.py'


def test_published_results_alone(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), '--only', 'pareto.png', '--out', str(tmp_path)])
    runpy.run_path(str(TOOL), run_name='__main__')
    size = (tmp_path / 'pareto.png').stat().st_size
    assert capsys.readouterr().out == f'{tmp_path / "pareto.png"}: {size / 1e3:.0f} kB\n'


def test_a_folder_without_a_training_is_named(monkeypatch, tmp_path):
    pytest.importorskip('mmseg')
    monkeypatch.setattr(sys, 'argv', [str(TOOL), '--folders', str(tmp_path), '--out', str(tmp_path / 'out')])
    with pytest.raises(
        SystemExit, match=r'^make_figures\.py: network must be a finished training where it is a folder'
    ):
        runpy.run_path(str(TOOL), run_name='__main__')

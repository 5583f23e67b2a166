"""Converted networks that version 0.1.0 has pickled, of every kind of attachment, with what they computed."""

import io
import lzma
from pathlib import Path

import pytest
import torch

from antialias_plugins import UnsupportedModelError, revert_antialias
from antialias_plugins.conversion import is_antialiased
from antialias_plugins.conversion.recompute import SegmentRun

FILE = Path(__file__).parent / 'data/converted_by_0.1.0.pt.xz'
NETWORKS = (
    *('lpf', 'ddac', 'aps', 'stem', 'recompute', 'circular', 'same', 'same keep', 'merging'),
    *('average', 'average keep', 'average published, pools'),
)


@pytest.fixture(scope='module')
def stored():
    return torch.load(io.BytesIO(lzma.decompress(FILE.read_bytes())), weights_only=False)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.arange(3 * 101 * 92).mul(7919).remainder(101).div(101).view(1, 3, 101, 92)


@torch.no_grad()
@pytest.mark.parametrize('name', NETWORKS)
def test_it_loads_computes_the_same_and_comes_back(stored, name, image):
    model, expected = stored['networks'][name], stored['outputs'][name]
    torch.testing.assert_close(model(image), expected)
    file = io.BytesIO()
    torch.save(model, file)
    again = torch.load(io.BytesIO(file.getvalue()), weights_only=False)
    assert torch.equal(again(image), model(image))
    assert [type(module) for module in again.modules()] == [type(module) for module in model.modules()]
    assert not is_antialiased(revert_antialias(again))
    assert not torch.equal(again(image), expected)


def test_a_refusal_is_pickled_too(stored):
    with pytest.raises(UnsupportedModelError, match=r'1\.reparameterize\(\) would drop a filter'):
        stored['networks']['merging'][1].reparameterize()


def test_recomputed_maps_are_recomputed_again(stored, image, monkeypatch):
    repeated, repeat = [], SegmentRun.repeat
    monkeypatch.setattr(SegmentRun, 'repeat', lambda run, *args: repeated.append(run.segment) or repeat(run, *args))
    stored['networks']['recompute'](image).sum().backward()
    assert len(set(repeated)) == 4

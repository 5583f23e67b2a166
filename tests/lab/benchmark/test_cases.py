import pytest
import torch

from lab.benchmark import layers, make_cases, select
from lab.benchmark.layers import compiled_cases, layer_cases


def test_ours_is_compared_with_itself_compiled(monkeypatch):
    fullgraph = []
    monkeypatch.setattr(torch.nn.Module, 'compile', lambda module, **options: fullgraph.append(options['fullgraph']))
    (case,) = compiled_cases(quick=True)
    assert [(one.name, one.floor) for one in case.implementations] == [
        ('ours', False),
        ('torch.compile', False),
        ('logits convolution', True),
    ]
    ours, other = (one.build() for one in case.implementations[:2])
    assert fullgraph == [True]
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), other.parameters(), strict=True))


def test_the_shapes_are_of_the_grid():
    titles = {case.title.removeprefix('compiled/compiled ') for case in compiled_cases()}
    grid = {case.title.removeprefix('layers/') for case in layer_cases()}
    assert len(titles) == 3 and titles <= grid


def test_without_a_compiler_there_is_nothing_to_compare(monkeypatch):
    monkeypatch.setattr(layers.shutil, 'which', lambda name: None)
    assert not list(compiled_cases())


def test_step_reaches_every_parameter():
    pytest.importorskip('mmseg')
    (case,) = select(make_cases(['step'], quick=True), 'ddac3')
    model = case.implementations[-1].build()
    assert case.implementations[-1].floor  # without filters, which other tests are about
    model(case.make_input()).backward()
    lost = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert lost == []
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())

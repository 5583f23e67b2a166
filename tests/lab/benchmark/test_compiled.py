"""What is put beside the compiler; that takes minutes, so here nothing is compiled."""

import torch

from lab.benchmark import compiled
from lab.benchmark.compiled import compiled_cases
from lab.benchmark.layers import layer_cases


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
    monkeypatch.setattr(compiled.shutil, 'which', lambda name: None)
    assert not list(compiled_cases())

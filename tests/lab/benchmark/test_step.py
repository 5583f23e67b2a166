import pytest
import torch

from lab.benchmark import make_cases, select

pytest.importorskip('mmseg')


def test_step_reaches_every_parameter():
    (case,) = select(make_cases(['step'], quick=True), 'ddac3')
    model = case.implementations[-1].build()
    assert case.implementations[-1].floor  # without filters, which other tests are about
    model(case.make_input()).backward()
    lost = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert lost == []
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())

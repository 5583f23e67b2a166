"""The check of a GPU, as far as Triton's interpreter can run it."""

import json

import pytest

pytest.importorskip('triton', reason='Triton has no release for this platform')

from lab import gpu_check


@pytest.fixture
def check(monkeypatch):
    monkeypatch.setattr(gpu_check, 'OPS', {'blur_pool2d': gpu_check.OPS['blur_pool2d']})
    return gpu_check.Check('cpu', quick=True)


def test_the_first_use_is_timed(check):
    rows = check.first_use()
    assert [row['format'] for row in rows] == ['contiguous', 'channels_last']
    assert all(row['holds'] and row['compiling_ms'] > 0 and row['compiled_ms'] > 0 for row in rows)


def test_a_kernel_that_is_off_is_found(check, monkeypatch):
    assert all(row['holds'] and row['values'] < 4 for row in check.parity() + check.sizes() if 'values' in row)
    module = pytest.importorskip('antialias_plugins.kernels.triton.blur_pool')
    original = module.blur_pool2d
    monkeypatch.setattr(module, 'blur_pool2d', lambda *arguments: 1.01 * original(*arguments))
    with pytest.warns(RuntimeWarning, match='blur_pool2d, .*, computes values that are off'):
        assert not any(row['holds'] for row in check.parity() + check.first_use())


def test_what_does_not_fit_is_named(check, monkeypatch):
    monkeypatch.setattr(check, '_free_bytes', lambda: 0)
    monkeypatch.setattr(gpu_check.time, 'monotonic', iter(range(0, 1000, 100)).__next__)
    assert not check.sizes()
    assert not check.benchmark('layers', 'float32', False, 1)
    assert check.left_out[0] == 'sizes: blur_pool2d, contiguous needs 0 GiB, 0 are free'
    assert sum(line.startswith('benchmark: layers/blur_pool2d K=3') for line in check.left_out) == 3


def test_report(check):
    report = {'environment': {'torch': '2'}, 'tests': {'status': 0, 'output': '3 passed'}, 'seconds': 1.0}
    report |= {'first_use': [], 'sizes': [], 'parity': check.parity(), 'bandwidth': check.bandwidth()}
    text = gpu_check.to_markdown(report | {'left_out': []}, {'layers': '| a |'})
    assert 'Tests: exit status 0.' in text and '- nothing' in text and '## layers\n\n| a |' in text
    assert json.loads(json.dumps(report))['bandwidth'][0]['copy_ms'] > 0

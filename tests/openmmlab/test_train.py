"""mmseg's own tools, byte for byte as installed, on our configs."""

import json
import re
from ast import literal_eval
from pathlib import Path

import mmseg
import pytest
import torch
from mmengine.config import Config

from lab.endurance import find_differences, kill_and_resume
from lab.training import Training

CONFIGS = Path(__file__).parents[2] / 'configs'
BASELINE = 'deeplabv3plus/deeplabv3plus_r18-d16_1xb4-250_toyscapes-96x192.py'
DDAC = 'deeplabv3plus/deeplabv3plus_r18-ddac3-d16_1xb4-250_toyscapes-96x192.py'


def weights(path):
    return torch.load(path, map_location='cpu', weights_only=False)['state_dict']


def validated(folder):
    """The metrics of the last validation."""
    log = max(folder.glob('*/vis_data/scalars.json'))
    return json.loads(log.read_text().splitlines()[-1])


def parsed(options):
    """Options of a command line as a config has them."""
    texts = {name: str(value) for name, value in options.items() if isinstance(value, str | Path)}
    return options | {name: literal_eval(text) if text[0] == '(' else text for name, text in texts.items()}


@pytest.fixture(scope='module')
def measured(tiny):
    """The options of `tiny`, with a hook that measures the consistency of all images at the validation."""
    hook = {'type': 'ShiftConsistencyHook', 'images': None, 'max_shift': 8}
    return tiny | {f'default_hooks.consistency.{key}': value for key, value in hook.items()}


@pytest.fixture(scope='module')
def trained(run_tool, read_losses, measured, tmp_path_factory):
    """The folder of a training that nobody interrupted, on one thread."""
    folder, threads = tmp_path_factory.mktemp('trained'), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run_tool(mmseg, 'train.py', DDAC, folder=folder, options=measured)
    finally:
        torch.set_num_threads(threads)
    assert len(read_losses(folder)) == 6
    return folder


def test_killed_training_ends_with_the_same_weights(trained, measured, monkeypatch, tmp_path):
    """Killed while it writes a checkpoint and while it validates; ``tools/kill_and_resume.py`` kills more often."""
    for name, value in (('OMP_NUM_THREADS', '1'), ('CUDA_VISIBLE_DEVICES', '')):
        monkeypatch.setenv(name, value)
    config = Config.fromfile(CONFIGS / DDAC)
    # Data loader workers are another thing that must not matter.
    config.merge_from_dict(parsed(measured) | {'train_dataloader.num_workers': 2})

    # By this seed, both kills are less than a tenth of a second behind the beginning of what they interrupt.
    kills = list(kill_and_resume(Training(config, tmp_path), ['writing', 'validating'], seed=290))

    assert [kill.phase for kill in kills] == ['writing', 'validating']
    assert find_differences(tmp_path, trained) == []


def test_test_reports_accuracy_and_consistency(trained, run_tool, tiny, tmp_path):
    output = run_tool(mmseg, 'test.py', DDAC, trained / 'iter_6.pth', folder=tmp_path, options=tiny)

    found = {name: float(value) for name, value in re.findall(r'(mIoU|mASSC): (\d+\.\d+)', output)}
    assert found.keys() == {'mIoU', 'mASSC'}
    assert all(0 <= value <= 100 for value in found.values())
    # What the hook measured on the same images at the end of the training.
    assert found['mASSC'] == pytest.approx(validated(trained)['mASSC'], abs=1e-4)


def test_mixed_precision_and_accumulated_gradients(trained, run_tool, read_losses, tiny, tmp_path):
    """Six iterations in mixed precision whose gradients change the weights once, at the end."""
    options = tiny | {'optim_wrapper.accumulative_counts': 6}

    run_tool(mmseg, 'train.py', DDAC, '--amp', folder=tmp_path, options=options)

    mixed, full = read_losses(tmp_path)[0], read_losses(trained)[0]
    assert mixed != full
    assert mixed == pytest.approx(full, rel=0.05)  # some eight bits, through twenty layers
    second, fourth, sixth = (weights(tmp_path / f'iter_{count}.pth') for count in (2, 4, 6))
    assert all(torch.isfinite(value).all() for value in sixth.values())
    types = {name: value.dtype for name, value in weights(trained / 'iter_6.pth').items()}
    assert {name: value.dtype for name, value in sixth.items()} == types
    learned = [name for name in second if name.endswith('conv_seg.weight')]
    assert learned
    for name in learned:
        assert torch.equal(second[name], fourth[name])
        assert not torch.equal(fourth[name], sixth[name])


def test_one_line_antialiases_any_config_that_imports_the_package(run_tool, read_losses, tiny, tmp_path):
    antialiased = {'type': 'Antialiased', 'base': 'ResNetV1c', 'pool': 'lpf4'}
    options = tiny | {f'model.backbone.{key}': value for key, value in antialiased.items()}

    output = run_tool(mmseg, 'train.py', BASELINE, folder=tmp_path, options=options | {'train_cfg.max_iters': 2})

    assert 'ResNetV1c with lpf4: 5 filtered' in output
    assert len(read_losses(tmp_path)) == 2

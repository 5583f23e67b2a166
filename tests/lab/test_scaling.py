import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from antialias_plugins.conversion import AntialiasWarning
from lab.scaling import ProcessCurves, largest_difference, losses_by_processes, plot_processes, without_batch_statistics

CONFIG = Path(__file__).parents[1] / 'configs/toy/ddac/deeplabv3plus_r18-ddac3-d16_1xb2-30_toyscapes-96x192.py'


@pytest.fixture
def config():
    return Config.fromfile(CONFIG)


def test_nothing_depends_on_the_batch(config):
    before = config.to_dict()
    model = without_batch_statistics(config, groups=8).model

    assert config.to_dict() == before
    assert model.backbone.norm_eval and model.backbone.norm_cfg == config.model.backbone.norm_cfg
    assert model.decode_head.norm_cfg == {'type': 'GN', 'num_groups': 8}
    assert model.decode_head.dropout_ratio == model.decode_head.projection_dropout == 0
    assert not model.decode_head.loss_decode.avg_non_ignore


def test_nothing_is_left_that_differs_between_parts_of_a_batch(config):
    pytest.importorskip('mmseg')
    config = without_batch_statistics(config)
    with torch.device('meta'), pytest.warns(AntialiasWarning, match='norm_eval'):
        model = MODELS.build({**config.model, '_scope_': 'mmseg'}).train()
    for name, module in model.named_modules():
        assert not isinstance(module, torch.nn.modules.dropout._DropoutNd) or module.p == 0, name
        assert not isinstance(module, torch.nn.modules.batchnorm._BatchNorm) or not module.training, name


TINY = {
    'train_dataloader': {'batch_size': 4},
    'train_cfg': {'max_iters': 2},
    'env_cfg': {},
    'log_processor': {},
    'default_hooks': {'logger': {}},
}


def leave(folder, losses):
    """Leave what a finished training leaves."""
    path = folder / 'time' / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps({'loss': loss, 'step': step}) + '\n' for step, loss in enumerate(losses, 1)))
    (folder / 'last_checkpoint').write_text('iter_2.pth')


def test_what_is_there_is_not_trained_again(tmp_path):
    leave(tmp_path / '1', [2.0, 1.0])
    leave(tmp_path / '2', [2.0, 1.25])

    losses = losses_by_processes(Config(TINY), tmp_path, [1, 2])

    assert {count: values.tolist() for count, values in losses.items()} == {1: [2.0, 1.0], 2: [2.0, 1.25]}
    assert largest_difference(losses) == pytest.approx(0.25)


def test_nothing_differs_from_itself():
    assert largest_difference({1: np.array([2.0, 1.0])}) == 0


@pytest.mark.parametrize('count', [0, 3, 8])
def test_processes_must_divide_the_batch(count, tmp_path):
    with pytest.raises(ValueError, match=f'counts must divide the batch of 4, got {count}'):
        losses_by_processes(Config(TINY), tmp_path, [1, count])


ONE = np.array([4.0, 2.0, 1.0])
LOSSES = {'batch norm': {1: ONE, 2: 1.1 * ONE}, 'independent': {1: ONE, 2: ONE, 4: ONE * (1 + 1e-6)}}


def test_a_column_per_network_and_a_row_per_variant():
    figure = plot_processes([ProcessCurves('baseline', LOSSES), ProcessCurves('lpf3', LOSSES)])

    assert [axis.get_title() for axis in figure.axes] == ['baseline', 'lpf3', '', '', '', '']
    for axis, losses in zip(figure.axes[::2], LOSSES.values(), strict=False):
        assert [line.get_ydata().tolist() for line in axis.lines] == [values.tolist() for values in losses.values()]
        assert axis.lines[0].get_xdata().tolist() == [1, 2, 3]


def test_a_row_has_room_for_all():
    large = {variant: {count: 3 * values for count, values in losses.items()} for variant, losses in LOSSES.items()}
    figure = plot_processes([ProcessCurves('small', LOSSES), ProcessCurves('large', large)])
    assert [axis.get_ylim()[0] for axis in figure.axes[:4]] == [0] * 4
    assert all(axis.get_ylim()[1] > 3 * ONE.max() for axis in figure.axes[:4])


def test_differences_are_relative_and_visible_where_there_are_none():
    differences = plot_processes([ProcessCurves('baseline', LOSSES)]).axes[-1]

    labels = [line.get_label() for line in differences.lines]
    assert labels == ['2, batch norm', '2, independent', '4, independent']
    for line, expected in zip(differences.lines, (0.1, 1e-9, 1e-6), strict=True):
        assert line.get_ydata() == pytest.approx(expected, rel=1e-6)
    assert differences.get_yscale() == 'log' and differences.get_ylim()[0] < 1e-9


@pytest.mark.parametrize(
    ('panels', 'message'),
    [
        ([], 'panels must hold at least one network, got none'),
        (
            [ProcessCurves('a', LOSSES), ProcessCurves('b', {'batch norm': {1: ONE}})],
            r"losses of 'b' must be of \['batch norm', 'independent'\], got \['batch norm'\]",
        ),
        ([ProcessCurves('a', {'x': {2: ONE}})], "losses of 'a', x, must have those of one process, got none"),
    ],
    ids=['none', 'variants', 'one process'],
)
def test_bad_arguments(panels, message):
    with pytest.raises(ValueError, match=message):
        plot_processes(panels)

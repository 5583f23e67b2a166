import json

import pytest

from lab.quickstart.experiment import Experiment, begin

CONFIG = "train_cfg = dict(type='IterBasedTrainLoop', max_iters=30)\nstrides = (1, 2)\n"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(CONFIG)
    return path


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'work' / 'baseline'


def leave_checkpoint(folder, iteration):
    path = folder / f'iter_{iteration}.pth'
    path.touch()
    (folder / 'last_checkpoint').write_text(str(path))
    return path


def leave_metrics(folder, text, timestamp='20200101_000000'):
    path = folder / 'test' / timestamp / f'{timestamp}.json'
    path.parent.mkdir(parents=True)
    path.write_text(text)


def leave_log(folder, timestamp, *entries):
    path = folder / timestamp / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(map(json.dumps, entries)) + '\n')


def test_new_folder_is_trained_and_knows_its_config(config, folder):
    assert begin(config, folder) == 'train'
    assert Experiment(folder).config.train_cfg.max_iters == 30
    assert Experiment(folder).record['config'] == config.as_posix()


def test_killed_before_the_first_checkpoint_starts_over(config, folder):
    begin(config, folder)
    (folder / 'iter_10.pth').touch()  # half-written: mmengine names it in last_checkpoint when it is complete
    assert begin(config, folder) == 'train'


def test_killed_after_a_checkpoint_resumes(config, folder):
    begin(config, folder)
    kept = leave_checkpoint(folder, 10)
    assert begin(config, folder) == 'resume'
    assert Experiment(folder).checkpoint == kept


def test_killed_while_one_checkpoint_replaced_another_starts_over(config, folder):
    begin(config, folder)
    leave_checkpoint(folder, 10).unlink()
    (folder / 'iter_20.pth').touch()
    assert begin(config, folder) == 'train'


def test_finished_training_is_tested_once(config, folder):
    begin(config, folder)
    leave_checkpoint(folder, 30)
    assert begin(config, folder) == 'test'
    leave_metrics(folder, '{"mIoU": 1.0}')
    assert begin(config, folder) == 'nothing'
    assert Experiment(folder).metrics == {'mIoU': 1.0}


def test_half_written_metrics_do_not_count(config, folder):
    begin(config, folder)
    leave_checkpoint(folder, 30)
    leave_metrics(folder, '{"mIoU": 1.0}', '20200101_000000')
    leave_metrics(folder, '{"mIoU": ', '20200102_000000')
    assert Experiment(folder).metrics == {'mIoU': 1.0}


@pytest.mark.parametrize(
    ('changed', 'difference'),
    [
        ('config', r'config\.strides \(\[1, 2\] there, \[1, 1\] now\)'),
        ('input', r'inputs\..*manifest\.json'),
    ],
    ids=['config', 'input'],
)
def test_a_training_of_another_recipe_is_never_removed(changed, difference, config, folder, tmp_path):
    manifest = tmp_path / 'manifest.json'
    manifest.write_text('{"seed": 0}')
    begin(config, folder, [manifest])
    leave_checkpoint(folder, 30)
    (folder / 'notes.txt').write_text('precious')
    before = sorted(folder.rglob('*'))
    assert begin(config, folder, [manifest]) == 'test'
    {'config': config, 'input': manifest}[changed].write_text(CONFIG.replace('(1, 2)', '(1, 1)'))
    with pytest.raises(
        ValueError, match=rf"got '{folder}', which differs in {difference}; move it away to keep it, or"
    ):
        begin(config, folder, [manifest])
    assert sorted(folder.rglob('*')) == before


@pytest.mark.parametrize('text', ['', '{"recipe": ', '[]', '{"other": 1}'], ids=['empty', 'cut', 'list', 'other'])
def test_a_broken_record_is_named(text, config, folder):
    begin(config, folder)
    (folder / 'experiment.json').write_text(text)
    with pytest.raises(ValueError, match=r'experiment\.json must be the record of an experiment'):
        begin(config, folder)
    assert (folder / 'experiment.json').read_text() == text


def test_folder_with_other_things_is_left_alone(config, folder):
    folder.mkdir(parents=True)
    (folder / 'thesis.tex').touch()
    with pytest.raises(ValueError, match='folder must be new or that of an experiment, got'):
        begin(config, folder)
    assert (folder / 'thesis.tex').exists()


def test_seconds_are_the_median_of_all_runs_and_of_training_alone(config, folder):
    begin(config, folder)
    leave_log(folder, '20200101_000000', {'loss': 3.0, 'time': 9.0}, {'loss': 2.0, 'time': 0.5})
    leave_log(folder, '20200102_000000', {'loss': 2.0, 'time': 0.75}, {'mIoU': 1.0, 'time': 0.1})
    assert Experiment(folder).seconds_per_iteration == 0.75

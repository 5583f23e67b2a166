import json

import pytest

from lab.comparison import Method, Recipe, Study

METHODS = (Method('baseline'), Method('lpf3'))


def study(folder, recipe, methods=METHODS, seeds=(0, 1)):
    return Study(folder, methods, seeds, recipe)


def test_runs_are_ordered_seed_by_seed(tmp_path, recipe):
    names = [(method.name, seed) for method, seed in study(tmp_path, recipe).runs]
    assert names == [('baseline', 0), ('lpf3', 0), ('baseline', 1), ('lpf3', 1)]


def test_a_second_time_nothing_is_trained(tmp_path, recipe, monkeypatch):
    record = study(tmp_path, recipe).measure(METHODS[0], 0)
    costs = study(tmp_path, recipe).measure_costs(1, 0.001)
    assert 0 <= record['accuracy'] <= 1
    assert (record['method'], record['seed']) == ('baseline', 0)
    assert set(costs['costs']) == {'baseline', 'lpf3'}
    for name in ('train', 'measure_costs'):
        monkeypatch.setattr(f'lab.comparison.study.{name}', None)
    again = study(tmp_path, recipe)
    assert again.measure(METHODS[0], 0) == record
    assert again.measure_costs() == costs
    assert study(tmp_path, recipe, METHODS[:1]).measure_costs() == costs


def test_costs_of_one_table_are_from_one_run(tmp_path, recipe, monkeypatch):
    study(tmp_path, recipe, METHODS[:1]).measure_costs(1, 0.001)
    asked = []
    monkeypatch.setattr('lab.comparison.study.measure_costs', lambda methods, *rest: asked.extend(methods) or {})
    study(tmp_path, recipe).measure_costs()
    assert asked == list(METHODS)


def test_an_interruption_leaves_whole_records_only(tmp_path, recipe, monkeypatch):
    runs = study(tmp_path, recipe)
    runs.measure(METHODS[0], 0)

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr('lab.comparison.study.measure_quality', interrupt)
    with pytest.raises(KeyboardInterrupt):
        runs.measure(METHODS[0], 1)
    (line,) = (tmp_path / 'runs.jsonl').read_text().splitlines()
    assert json.loads(line)['run'] == 'baseline_0'


def test_other_runs_are_refused(tmp_path, recipe):
    study(tmp_path, recipe).measure(METHODS[0], 0)
    with pytest.raises(
        ValueError, match=r"folder must hold runs of one recipe, .*'epochs': 2, .* got .* of 'baseline_0'"
    ):
        study(tmp_path, Recipe(epochs=2, train_images=64, test_images=16))
    study(tmp_path, recipe, METHODS[1:])  # of which there is none yet


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'methods': ()}, r'methods must be at least one, without repetition, got \[\]'),
        ({'methods': METHODS[:1] * 2}, "methods must be at least one, without repetition, got .'baseline', 'baseline'"),
        ({'seeds': (1, 1)}, r'seeds must be at least one, without repetition, got \[1, 1\]'),
        ({'seeds': (-1,)}, r'seeds must be at least 0, got \[-1\]'),
    ],
    ids=['no-methods', 'repeated-method', 'repeated-seed', 'negative-seed'],
)
def test_what_does_not_fit_is_named(tmp_path, recipe, options, message):
    with pytest.raises(ValueError, match=message):
        study(tmp_path, recipe, **options)

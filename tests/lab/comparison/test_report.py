import pytest

from lab.comparison import describe_runs, format_costs, format_qualities, summarize
from lab.comparison.figure import draw


def record(method, seed, accuracy, torch='2.5.1'):
    shifted = {'accuracy': 0.5, 'consistency': accuracy / 2, 'probability_change': 0.1}
    environment = {'machine': 'a', 'python': '3.11', 'torch': torch, 'timm': '1.0'}
    found = {'method': method, 'seed': seed, 'accuracy': accuracy, 'translated': shifted, 'circular': shifted}
    return {**found, 'environment': environment}


def cost(scale):
    figures = {'step': 0.01, 'step_spread': 0.001, 'image': 1e-4, 'image_spread': 1e-5, 'saved': 2048.0}
    return {name: scale * value for name, value in figures.items()} | {'parameters': 1000}


RECORDS = [record('baseline', 0, 0.9), record('lpf3', 0, 0.8), record('baseline', 1, 0.8), record('lpf3', 1, 0.8)]
COSTS = {'baseline': cost(1), 'lpf3': cost(3)}


def cells(table):
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines()]


def test_mean_and_deviation_over_the_seeds():
    baseline, lpf = summarize(RECORDS, COSTS)
    assert (baseline['method'], baseline['seeds']) == ('baseline', [0, 1])
    assert baseline['accuracy']['mean'] == pytest.approx(85)
    assert baseline['accuracy']['deviation'] == pytest.approx(10 / 2**0.5)  # of two values that differ by 10
    assert baseline['translated.consistency']['mean'] == pytest.approx(42.5)
    assert lpf['accuracy'] == {'mean': pytest.approx(80), 'deviation': 0}


def test_quality_table():
    _, _, baseline, lpf = cells(format_qualities(summarize(RECORDS, COSTS)))
    assert baseline[:2] == ['baseline', '85.0 ± 7.1']
    assert lpf == ['lpf3', '80.0 ± 0.0', '50.0 ± 0.0', '40.0 ± 0.0', '50.0 ± 0.0', '40.0 ± 0.0']


def test_one_seed_has_no_deviation():
    _, _, row = cells(format_qualities(summarize(RECORDS[:1], COSTS)))
    assert row[1] == '90.0'


@pytest.mark.parametrize(
    ('records', 'row'),
    [
        (RECORDS, ['lpf3', '30.0, 3.00×', '0.300, 3.00×', '6, 3.00×', '1,000']),
        (RECORDS[1::2], ['lpf3', '30.0', '0.300', '6', '1,000']),
    ],
    ids=['ratios', 'no-baseline'],
)
def test_cost_table(records, row):
    assert cells(format_costs(summarize(records, COSTS)))[-1] == row


def test_all_versions_are_told():
    assert describe_runs(RECORDS) == 'a; python 3.11; torch 2.5.1; timm 1.0'
    assert 'torch 2.5.1 or 2.14.1' in describe_runs([*RECORDS, record('lpf3', 2, 0.8, torch='2.14.1')])


def test_figure_has_every_method_in_every_panel():
    panels = [axis for axis in draw(summarize(RECORDS, COSTS)).axes if axis.axison]
    labels = [{container.get_label() for container in axis.containers} for axis in panels]
    assert labels == [{'baseline', 'lpf3'}] * 3

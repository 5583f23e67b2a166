import json

import pytest
from torch import nn

from lab.coverage import Family, Network, Outcome, check_families, survey


class Networks:
    """A library of two sizes of one network and another one; counts what it builds."""

    def __init__(self):
        self.built = []

    def network(self, name, width):
        def build():
            self.built.append(name)
            layers = (nn.Conv2d(3, width, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2))
            return nn.Sequential(*layers)

        return Network('timm', 'zoo', name, name[:-1], build)

    def families(self):
        return [Family((self.network('net2', 8), self.network('net1', 4))), Family((self.network('other1', 2),))]


@pytest.fixture
def networks():
    return Networks()


def names(results):
    return [(result.name, result.members, result.outcome) for result in results]


EXPECTED = [('net1', 2, Outcome.CONVERTED), ('other1', 1, Outcome.CONVERTED)]


def test_the_smallest_of_each_family_is_checked(networks):
    assert names(check_families(networks.families())) == EXPECTED


def test_what_is_known_is_not_checked_again(networks, tmp_path):
    cache = tmp_path / 'new' / 'cache.jsonl'
    first = list(check_families(networks.families(), cache))
    networks.built.clear()
    assert list(check_families(networks.families(), cache)) == first
    assert not networks.built


def test_an_interrupted_survey_goes_on(networks, tmp_path):
    cache = tmp_path / 'cache.jsonl'
    next(check_families(networks.families(), cache))
    with cache.open('a') as file:
        file.write('{"family": "timm/zoo/other", "vers')
    networks.built.clear()
    assert names(check_families(networks.families(), cache)) == EXPECTED
    assert set(networks.built) == {'other1'}
    networks.built.clear()
    assert names(check_families(networks.families(), cache)) == EXPECTED
    assert not networks.built


def test_another_source_checks_again_and_counts_no_more(networks, tmp_path, monkeypatch):
    cache = tmp_path / 'cache.jsonl'
    list(check_families(networks.families(), cache))
    monkeypatch.setattr(survey, 'source_digest', lambda: 'another')
    networks.built.clear()
    assert names(check_families(networks.families(), cache)) == EXPECTED
    assert set(networks.built) == {'net1', 'other1'}


def test_other_versions_start_again(networks, tmp_path, monkeypatch):
    cache = tmp_path / 'cache.jsonl'
    list(check_families(networks.families(), cache))
    monkeypatch.setattr(survey, 'library_versions', lambda: {'torch': 'another'})
    networks.built.clear()
    assert names(check_families(networks.families(), cache)) == EXPECTED
    assert set(networks.built) == {'net1', 'net2', 'other1'}
    assert all(set(json.loads(line)) >= {'family', 'versions', 'source'} for line in cache.read_text().splitlines())


def test_too_large_networks_are_not_built(networks, monkeypatch):
    monkeypatch.setattr(survey, 'MAX_PARAMETERS', 100)
    results = list(check_families(networks.families()))
    assert [result.outcome for result in results] == [Outcome.NOT_RUN, Outcome.CONVERTED]
    assert '0 M parameters' in results[0].reason

import json
from collections import Counter

import pytest

from lab.coverage import Outcome
from lab.zoos import ZooConfig, check_config, check_configs, survey

CONFIGS = {
    'a/resnet': "model = dict(type='ImageClassifier', backbone=dict(type='ResNet', depth=18))",
    'a/pretrained': "model = dict(backbone=dict(type='ResNet', depth=18, init_cfg=dict(type='Pretrained')))",
    'b/vit': "model = dict(backbone=dict(type='VisionTransformer', arch='deit-tiny'))",
    'b/fixed-size': "model = dict(backbone=dict(type='SwinTransformerV2', arch='tiny'))",
    'c/list': "model = dict(image_encoder=[dict(type='ResNet', depth=18)])",
    'c/text': "model = dict(type='OFA', encoder_cfg=dict())",
    'c/piece': 'train_cfg = dict()',
    'c/broken': "_base_ = 'nowhere.py'",
    'c/unknown': "model = dict(backbone=dict(type='NoSuchNetwork'))",
}
EXPECTED = {
    'a/resnet': (Outcome.CONVERTED, 'ResNet', 7),
    'a/pretrained': (Outcome.CONVERTED, 'ResNet', 7),
    'b/vit': (Outcome.NOT_APPLICABLE, 'VisionTransformer', 0),
    'b/fixed-size': (Outcome.NOT_APPLICABLE, 'SwinTransformerV2', 0),
    'c/list': (Outcome.REFUSED, '', 0),
    'c/text': (Outcome.NOT_APPLICABLE, '', 0),
    'c/piece': (Outcome.NOT_APPLICABLE, '', 0),
    'c/broken': (Outcome.NOT_RUN, '', 0),
    'c/unknown': (Outcome.NOT_RUN, 'NoSuchNetwork', 0),
}


@pytest.fixture
def zoo(tmp_path):
    def write(*names):
        configs = []
        for name in names or CONFIGS:
            path = tmp_path / 'zoo' / f'{name}.py'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"default_scope = 'mmpretrain'\n{CONFIGS[name]}\n")
            configs.append(ZooConfig('mmpretrain', name, path))
        return configs

    return write


@pytest.fixture
def built(monkeypatch):
    """Counts what is built."""
    counts = Counter()

    def counted(check, what):
        def wrapper(*args):
            counts[what] += 1
            return check(*args)

        return wrapper

    for name in ('check_backbone', 'check_model'):
        monkeypatch.setattr(survey, name, counted(getattr(survey, name), name))
    return counts


def test_every_config_gets_what_it_deserves(zoo, built):
    results = list(check_configs(zoo()))

    found = {
        result.name: (result.outcome, result.type, sum(backbone.filters for backbone in result.backbones))
        for result in results
    }
    assert found == EXPECTED
    assert all(result.reason for result in results if result.outcome is not Outcome.CONVERTED)
    assert built == {'check_backbone': 4, 'check_model': 1}


def test_whole_model_is_built_and_run(zoo):
    (config,) = zoo('a/resnet')
    source = config.path.read_text()
    head = "neck=dict(type='GlobalAveragePooling'), head=dict(type='LinearClsHead', num_classes=3, in_channels={})"
    for channels, expected in ((512, 'runs'), (7, 'built; on noise: RuntimeError')):
        config.path.write_text(f'{source}model.update({head.format(channels)})\n')
        assert check_config(config).model.startswith(expected)


def test_an_interrupted_survey_goes_on(zoo, built, tmp_path):
    journal, configs = tmp_path / 'journal.jsonl', zoo('a/resnet', 'a/pretrained', 'c/text')
    interrupted = check_configs(configs, journal)
    first = next(interrupted)
    with journal.open('a') as file:
        file.write('{"config": "mmpretrain/a/pre')

    results = list(check_configs(configs, journal))

    assert results[0] == first
    assert [result.outcome for result in results] == [EXPECTED[config.name][0] for config in configs]
    assert built == {'check_backbone': 1, 'check_model': 1}
    assert [json.loads(line)['config'] for line in journal.read_text().splitlines()] == [c.key for c in configs]
    assert list(check_configs(configs, journal)) == results

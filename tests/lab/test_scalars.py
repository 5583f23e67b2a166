import pytest

from lab.scalars import read_scalars


@pytest.fixture
def leave(tmp_path):
    def leave(name, text):
        path = tmp_path / name / 'vis_data' / 'scalars.json'
        path.parent.mkdir(parents=True)
        path.write_text(text)

    return leave


def test_runs_follow_each_other_and_half_a_line_is_left_out(leave, tmp_path):
    leave('20200101_000002', '{"loss": 2.0, "step": 2}\n{"mIoU": 10.0, "step": 2}\n')
    leave('20200101_000001', '{"loss": 3.0, "step": 1}\n{"loss": 2.0, "st')
    assert read_scalars(tmp_path) == [{'loss': 3.0, 'step': 1}, {'loss': 2.0, 'step': 2}, {'mIoU': 10.0, 'step': 2}]


def test_other_damage_is_an_error(leave, tmp_path):
    leave('20200101_000001', '{"loss": 2.0, "st\n{"loss": 2.0, "step": 2}\n')
    with pytest.raises(ValueError):
        read_scalars(tmp_path)

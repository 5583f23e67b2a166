import pytest

from lab.endurance import Progress, read_progress

START = 'mmengine - INFO - Checkpoints will be saved to work_dirs.\n'
FIRST, SECOND = (f'mmengine - INFO - Iter(train) [ {step}/12]  lr: 1.0e-02  loss: 2.0\n' for step in (7, 8))
WRITING = 'mmengine - INFO - Saving checkpoint at 8 iterations\n'
VALIDATING = 'mmengine - INFO - Iter(val) [3/6]    eta: 0:00:00\n'


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        (START, Progress('starting', 6)),
        (START + VALIDATING, Progress('validating', 6)),
        (START + FIRST, Progress('training', 7)),
        (START + FIRST + SECOND + WRITING, Progress('writing', 8)),
        (START + SECOND + WRITING + VALIDATING, Progress('validating', 8)),
        (START + FIRST + 'mmengine - INFO - Iter(tra', Progress('training', 7)),
    ],
    ids=['starting', 'resumed validation', 'training', 'writing', 'validating', 'half a line'],
)
def test_the_last_line_tells(text, expected, tmp_path):
    (tmp_path / 'a.log').write_text(text)
    assert read_progress(tmp_path / 'a.log', resumed=6) == expected

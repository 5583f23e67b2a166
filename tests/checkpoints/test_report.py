from antialias_plugins.checkpoints import CheckpointReport
from antialias_plugins.conversion import LeftAlone

REPORT = CheckpointReport(
    model='Net',
    layout='DDAC',
    loaded=('a.weight', 'a.bias', 'b.weight'),
    renamed=(('x.0.weight', 'a.weight'), ('x.0.bias', 'a.bias')),
    dropped=tuple(LeftAlone(f'{index}.filt', 'fixed filter') for index in range(8)),
    kept=(LeftAlone('fc.weight', 'skip asks for it'), LeftAlone('aa.bias', 'not there')),
    zeroed=('bn.num_batches_tracked',),
    notes=('trained otherwise',),
)


def test_report_prints_what_matters_first():
    assert str(REPORT).splitlines() == [
        'Net from DDAC: 3 loaded (2 renamed), 8 dropped, 2 not loaded',
        'note: trained otherwise',
        'NOT LOADED: 1, skip asks for it: fc.weight',
        'NOT LOADED: 1, not there: aa.bias',
        'dropped: 8, fixed filter: 0.filt, 1.filt, 2.filt, 3.filt, 4.filt, 5.filt, and 2 more',
        'set to 0, not in the file: bn.num_batches_tracked',
        'renamed: x.0 -> a',
    ]

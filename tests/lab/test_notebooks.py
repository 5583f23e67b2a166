"""The notebooks of the documentation: run from top to bottom, and kept with what they show."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted(Path(__file__).parents[2].glob('docs/notebooks/*.ipynb'))


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_shows_what_is_saved(path, tmp_path):
    saved = nbformat.read(path, as_version=4)
    assert path.stat().st_size < 200_000
    new = nbformat.read(path, as_version=4)
    NotebookClient(new, timeout=300, resources={'metadata': {'path': str(tmp_path)}}).execute()
    for old_cell, new_cell in zip(saved.cells, new.cells, strict=True):
        assert kinds(old_cell) == kinds(new_cell), old_cell.source


def kinds(cell):
    """What a cell shows; text of other packages is left out."""
    outputs = [output for output in cell.get('outputs', ()) if output.get('name') != 'stderr']
    return {kind for output in outputs for kind in output.get('data', ()) if kind.startswith('image')}

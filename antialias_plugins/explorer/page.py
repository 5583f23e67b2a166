"""The page: a template, filled."""

import json
import tempfile
from dataclasses import asdict
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from antialias_plugins.explorer.explore import Exploration
from antialias_plugins.utils import replacing
from antialias_plugins.version import __version__


def render_page(exploration: Exploration, title: str | None = None) -> str:
    """Return the page as one HTML document that loads nothing else.

    Args:
        exploration: What it shows.
        title: Its heading, by default the names of the networks.
    """
    parts = files('antialias_plugins.explorer')
    # A '<' inside a script could end it.
    data = json.dumps(asdict(exploration), separators=(',', ':'), allow_nan=False).replace('<', '\\u003c')
    return Template((parts / 'page.html').read_text('utf-8')).substitute(
        title=escape(title or ' against '.join(exploration.networks)),
        version=__version__,
        style=(parts / 'page.css').read_text('utf-8'),
        script=(parts / 'page.js').read_text('utf-8'),
        data=data,
    )


def check_writable(path: Path) -> None:
    """Fail before the work rather than after it; the folder is made if need be.

    Raises:
        ValueError: If no file can be written to ``path``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise ValueError(f'out must be a file that can be written, got {path}: {error}') from error
    if path.is_dir():
        raise ValueError(f'out must be a file that can be written, got {path}, which is a folder')


def write_page(path: Path, page: str) -> int:
    """Write the page, which appears when it is complete.

    Returns:
        Its size in bytes.
    """
    with replacing(path) as partial:
        return partial.write_bytes(page.encode())

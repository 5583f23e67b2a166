"""What a survey has found so far: a file of JSON lines, to which every result is appended at once."""

import json
import os
from pathlib import Path
from typing import Any


def read_journal(path: Path | None, key: str, versions: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The latest entry of everything that was found with these versions; what an interruption left of a line is cut.

    Args:
        path: the file; None or a file that does not exist has no entries.
        key: the field by which entries are told apart; lines without it are passed over.
        versions: what the field ``versions`` has to be.
    """
    if path is None or not path.exists():
        return {}
    data = path.read_bytes()
    complete = data[: data.rfind(b'\n') + 1]
    os.truncate(path, len(complete))
    entries = map(json.loads, complete.splitlines())
    return {entry[key]: entry for entry in entries if key in entry and entry['versions'] == versions}


def append_entry(path: Path | None, entry: dict[str, Any]) -> None:
    """Write one line behind the others; None: nothing is remembered."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a', encoding='utf-8') as file:
        file.write(json.dumps(entry) + '\n')

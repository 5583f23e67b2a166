"""Journal of a long run: a file of JSON lines, to which every result is appended at once."""

import json
import os
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Journal:
    """The latest entry of everything that was found so far, so that an interrupted run goes on where it was.

    What an interruption left of a last line is cut off.

    Args:
        path: the file, which need not exist; None keeps nothing.
        key: the field by which entries are told apart.
        common: fields that an entry must have to count; every new one gets them.

    Raises:
        ValueError: If the file holds something else.
    """

    def __init__(self, path: Path | None, key: str, common: Entry | None = None) -> None:
        self.path, self.key, self.common = path, key, common or {}
        found = self._read() if path is not None and path.exists() else []
        self.entries = {entry[key]: entry for entry in found if self.common.items() <= entry.items()}

    def get(self, key: str) -> Entry:
        """The entry of a key; an empty one if there is none."""
        return self.entries.get(key, {})

    def add(self, key: str, **fields: Any) -> Entry:
        """Write one line behind the others, and return its entry."""
        text = json.dumps({self.key: key, **self.common, **fields})
        self.entries[key] = json.loads(text)  # as it will be read again, with lists for tuples
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open('a', encoding='utf-8') as file:
                file.write(text + '\n')
        return self.entries[key]

    def _read(self) -> list[Entry]:
        data = self.path.read_bytes()
        complete = data[: data.rfind(b'\n') + 1]
        try:
            found = [json.loads(line) for line in complete.splitlines()]
            if not all(self.key in entry for entry in found):
                raise KeyError(self.key)
        except (ValueError, LookupError, TypeError) as error:  # no JSON, or that of something else
            raise ValueError(f"journal must hold JSON lines with a {self.key!r} each, got '{self.path}'") from error
        os.truncate(self.path, len(complete))
        return found

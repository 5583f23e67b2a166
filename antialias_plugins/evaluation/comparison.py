"""Comparison of models that are evaluated alike: their records in a file, and one table of them."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from antialias_plugins.evaluation.models import Model
from antialias_plugins.evaluation.report import as_record
from antialias_plugins.evaluation.settings import Settings
from antialias_plugins.utils import describe_environment, locked, markdown_table, replacing, write_text

Record = dict[str, Any]

HEADLINES = {'top1': 'top-1 (%)', 'mIoU': 'mIoU (%)', 'segm_mAP': 'mask mAP (%)', 'bbox_mAP': 'box mAP (%)'}
"""The accuracy by which models are compared, and the title of its column."""

_CONSISTENCIES = {'mIoU': 'mASSC', 'segm_mAP': 'mAISC', 'bbox_mAP': 'box AISC'}


class Comparison:
    """Records of models in a file, so that an interrupted comparison goes on where it was.

    A record counts as long as the settings and the contents of the model's files are those with which it was made; of
    the images only the folder's name is known. Records of other models or settings stay in the file.

    Args:
        settings: How all models are evaluated.
        path: JSON file of the records; ``None`` to keep none. It need not exist.
        again: Whether to measure anew what is in the file already.

    Raises:
        ValueError: If the file holds something else.
    """

    def __init__(self, settings: Settings, path: Path | None = None, again: bool = False) -> None:
        self.settings = settings
        self.path = path
        self._records: list[Record] = _read(path) if path is not None and path.exists() else []
        self._again = again

    def measure(self, text: str, model: Model, progress: bool = True) -> Record:
        """Return the record of a model, after evaluating it if need be, and write the file.

        Args:
            text: How the command line names it.
            model: The model.
            progress: Whether to show a progress bar.

        Raises:
            ValueError: If it cannot be evaluated.
        """
        settings = self.settings.as_dict()
        del settings['workers']  # which change nothing
        # before the evaluation, during which a file may change
        key = {'model': text, 'settings': settings, 'files': model.fingerprint()}
        found = next((record for record in self._records if key.items() <= record.items()), None)
        if found is not None and not self._again:
            return found
        evaluation = model.evaluate(self.settings, progress)
        results = as_record(evaluation) | {'prepared': dict(evaluation.prepared), 'environment': describe_environment()}
        record = json.loads(json.dumps(key | results))  # as it will be read again, with lists for tuples
        self._records.append(record)
        if self.path is not None:
            with locked(self.path):  # another process may have written its own in the meantime
                theirs = _read(self.path) if self.path.exists() else []
                if self._again:
                    theirs = [record if _key(one) == _key(record) else one for one in theirs]
                known = [_key(one) for one in theirs]
                self._records = [*theirs, *(one for one in self._records if _key(one) not in known)]
                write_text(self.path, json.dumps({'models': self._records}, indent=2) + '\n')
        return record


def short_names(models: Mapping[str, Model]) -> list[str]:
    """Return what to call models, by their texts: as short as tells them apart."""
    names = [model.short_name for model in models.values()]
    return names if len(set(names)) == len(names) else list(models)


def headline(records: Mapping[str, Record]) -> str | None:
    """Return the name of the accuracy by which models are compared; ``None`` if none has any.

    Raises:
        ValueError: If the models do not do the same: their accuracies have different names.
    """
    found = {model: next((name for name in HEADLINES if name in records[model]['accuracy']), None) for model in records}
    if len(set(found.values())) > 1:
        told = ', '.join(f'{name or "no accuracy"} of {model}' for model, name in found.items())
        raise ValueError(f'models must do the same, got {told}')
    return next(iter(found.values()))


def consistency_name(accuracy: str | None) -> str:
    """Return what the consistency of models is called that are compared by this accuracy."""
    return _CONSISTENCIES.get(accuracy, 'consistency')


def rows(records: Mapping[str, Record]) -> list[dict[str, Any]]:
    """Return one row per model, of plain numbers: shares in percent, parameters, and images per second."""
    accuracy = headline(records)
    return [{'model': name, **_numbers(record, accuracy)} for name, record in records.items()]


def format_comparison(records: Mapping[str, Record]) -> str:
    """Return the rows as a table in Markdown; images per second are those of plain inference, where it was measured."""
    accuracy = headline(records)
    titles = [HEADLINES[accuracy]] if accuracy else []
    header = ['model', *titles, f'{consistency_name(accuracy)} (%), 95 % interval', 'parameters (M)', 'images / s']
    cells = []
    for row in rows(records):
        figures = [f'{row[accuracy]:.2f}'] if accuracy else []
        limits = [row[f'consistency_{end}'] for end in ('low', 'high')]
        spread = '' if None in limits else ' [{:.2f}, {:.2f}]'.format(*limits)
        figures += [f'{row["consistency"]:.2f}{spread}', f'{row["parameters"] / 1e6:.2f}']
        cells.append([row['model'], *figures, f'{row["images_per_second"]:.1f}'])
    return markdown_table(header, cells)


def notes(records: Mapping[str, Record]) -> list[str]:
    """Return what a reader has to know: of each network's images, and that networks saw them in different sizes."""
    names: dict[str, list[str]] = {}
    for name, record in records.items():
        for note in record.get('notes', ()):
            names.setdefault(note, []).append(name)
    found = [
        f'note: {note}' if len(of) == len(records) else f'note: {", ".join(of)}: {note}' for note, of in names.items()
    ]
    sizes = {name: record['prepared']['preparation']['size'] for name, record in records.items() if record['prepared']}
    if len(set(sizes.values())) > 1:
        listed = ', '.join(f'{size} of {name}' for name, size in sizes.items())
        found.append(f'note: sides of the inputs in pixels: {listed} (--size makes them equal)')
    return found


def write_csv(path: Path, records: Mapping[str, Record]) -> None:
    """Write the rows, with a header."""
    table = rows(records)
    with replacing(path) as partial, partial.open('w', newline='') as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)


def _numbers(record: Record, accuracy: str | None) -> dict[str, Any]:
    share = record['consistency']
    if 'mean' not in share:  # of a detector: that by masks, if it has any
        share = share['mask'] or share['box']
    numbers = {} if accuracy is None else {accuracy: 100 * record['accuracy'][accuracy]['mean']}
    low, high = (None, None) if share['interval'] is None else (100 * limit for limit in share['interval'])
    return numbers | {
        'consistency': 100 * share['mean'],
        'consistency_low': low,
        'consistency_high': high,
        'images': share['images'],
        'parameters': record['parameters'],
        'images_per_second': record['plain_per_second'] or record['images_per_second'],
    }


def _key(record: Record) -> tuple[Any, ...]:
    return record['model'], record['settings'], record['files']


def _read(path: Path) -> list[Record]:
    try:
        records = json.loads(path.read_text())['models']
        if all({'model', 'settings', 'files', 'accuracy'} <= record.keys() for record in records):
            return records
    except (ValueError, TypeError, LookupError, AttributeError):  # no JSON, or that of something else
        pass
    raise ValueError(f'json must be a file of a comparison, got {path}, which is none')

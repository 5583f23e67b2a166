"""Survey of the families of the libraries, with a journal of the results."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import antialias_plugins
from antialias_plugins.utils import describe_environment
from lab.coverage.check import Outcome, Result, check_network
from lab.coverage.libraries import Family
from lab.coverage.strides import has_only_a_stem
from lab.journal import Journal

MAX_PARAMETERS = 150_000_000

PACKAGE, LAB = Path(antialias_plugins.__file__).parent, Path(__file__).parents[1]
DECISIVE = (*(PACKAGE / name for name in ('functional', 'kernels', 'layers', 'conversion')), LAB / 'coverage')


def check_families(families: Iterable[Family], cache: Path | None = None) -> Iterator[Result]:
    """Check the smallest network of each family, one after the other.

    Args:
        families: what to check.
        cache: a file of JSON lines, to which every result is appended at once. What it has from the same versions of
            everything and the same source of this package is not checked again. None: nothing is remembered.
    """
    source = source_digest()
    journal = Journal(cache, 'family', {'versions': library_versions()})
    for family in families:
        entry = journal.get(family.key)
        if entry.get('source') == source:
            yield Result.from_json(entry['result'])
            continue
        parameters = entry.get('parameters') or family.count_parameters()
        result = check_smallest(family, parameters)
        journal.add(family.key, source=source, parameters=parameters, result=result.to_json())
        yield result


def check_smallest(family: Family, parameters: dict[str, int]) -> Result:
    """Check the member of a family with the fewest parameters, if there is anything to check and it is not too large.

    Args:
        family: what to check.
        parameters: number of parameters of each member, by name.
    """
    smallest = min(family.members, key=lambda network: parameters[network.name])
    count, members = parameters[smallest.name], len(family.members)
    result = Result(smallest.library, smallest.module, smallest.name, members, Outcome.NOT_RUN)
    if has_only_a_stem(smallest):
        return replace(result, outcome=Outcome.NOT_APPLICABLE, left=(('stem', 1),))
    if count > MAX_PARAMETERS:
        reason = f'{count / 1e6:.0f} M parameters; the table goes up to {MAX_PARAMETERS / 1e6:.0f} M'
        return replace(result, reason=reason)
    return check_network(smallest, members)


def library_versions() -> dict[str, str]:
    """Versions of Python and of the installed libraries."""
    environment = describe_environment()
    return {name: text for name, text in environment.items() if name not in ('machine', 'commit', 'antialias-plugins')}


def source_digest(folders: Iterable[Path] = DECISIVE) -> str:
    """A digest of all source that decides on a result: of these folders."""
    digest = hashlib.sha256()
    for root, path in sorted((folder.parent, path) for folder in folders for path in folder.rglob('*.py')):
        digest.update(path.relative_to(root).as_posix().encode() + b'\0' + path.read_bytes())
    return digest.hexdigest()[:12]

"""Names that patterns stand for."""

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase


def matching_names(argument: str, meaning: str, patterns: Iterable[str], names: Collection[str]) -> set[str]:
    """Return the names that any of the patterns matches.

    Args:
        argument: The argument that holds the patterns, for messages.
        meaning: What the names are, for messages.
        patterns: Patterns as in a shell, such as ``'layer1.*'``.
        names: All names.

    Raises:
        ValueError: If the patterns are a single string, or one of them matches nothing.

    Example:
        >>> sorted(matching_names('skip', 'keys', ['fc.*'], ['fc.bias', 'conv.weight', 'fc.weight']))
        ['fc.bias', 'fc.weight']
    """
    if isinstance(patterns, str):
        raise ValueError(f'{argument} must be a list of name patterns, got the string {patterns!r}')
    matches: set[str] = set()
    for pattern in patterns:
        found = {name for name in names if fnmatchcase(name, pattern)}
        if not found:
            raise ValueError(f'{argument} must name {meaning} of the network, {pattern!r} matches none')
        matches |= found
    return matches

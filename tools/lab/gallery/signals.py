"""Reports of networks as what their figures are drawn from."""

from collections.abc import Mapping

import numpy as np

from antialias_plugins.metrics import AliasingReport, EquivarianceReport
from antialias_plugins.visualization import EquivarianceCurve, SiteSpectrum


def spectra_of(reports: Mapping[str, AliasingReport]) -> list[SiteSpectrum]:
    """Return the places that all networks have, in the order of the first.

    Args:
        reports: Reports by network, the baseline first.

    Raises:
        ValueError: If no place is common to all, with a map of one size.
    """
    columns = {network: {site.name: site for site in report.sites} for network, report in reports.items()}
    first, *others = columns.values()
    spectra = []
    for name, site in first.items():
        if all(name in column and column[name].frequency.equal(site.frequency) for column in others):
            power = {network: column[name].power.numpy() for network, column in columns.items()}
            spectra.append(SiteSpectrum(_shorten(name), max(site.stride), site.frequency.numpy(), power))
    if not spectra:
        raise ValueError(
            f'models must downsample at the same places, got none that {", ".join(reports)} have in common'
        )
    return spectra


def curves_of(reports: Mapping[str, EquivarianceReport]) -> list[EquivarianceCurve]:
    """Return the errors of the layers that all networks have, in the order of the first.

    Args:
        reports: Reports by network, the baseline first.

    Raises:
        ValueError: If no layer is common to all.
    """
    columns = {network: {layer.name: layer for layer in report.layers} for network, report in reports.items()}
    names = tuple(name for name in next(iter(columns.values())) if all(name in column for column in columns.values()))
    if not names:
        raise ValueError(
            f'models must have layers of the same names, got none that {", ".join(reports)} have in common'
        )
    return [
        EquivarianceCurve(
            network,
            names,
            np.array([column[name].mean for name in names]),
            np.array([column[name].interval or 0.0 for name in names]),
        )
        for network, column in columns.items()
    ]


def _shorten(name: str) -> str:
    """The first of the operations that share a filter."""
    first, plus, _ = name.partition(' + ')
    return f'{first} + …' if plus else first

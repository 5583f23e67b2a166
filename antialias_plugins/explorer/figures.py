"""Reports of networks on the same pictures as the curves of a figure. Needs matplotlib."""

from collections.abc import Mapping

import numpy as np

from antialias_plugins.metrics import AliasingReport, EquivarianceReport
from antialias_plugins.visualization import EquivarianceCurve, SiteSpectrum


def spectra_of(reports: Mapping[str, AliasingReport]) -> list[SiteSpectrum]:
    """Return all places in the order of execution; a network that has not one is missing there.

    Args:
        reports: Reports by network, the baseline first.

    Raises:
        ValueError: If no place is common to all.
    """
    columns = {network: {site.name: site for site in report.sites} for network, report in reports.items()}
    spectra = []
    for name in _in_order('downsample at the same places', columns):
        sites = {network: column[name] for network, column in columns.items() if name in column}
        stride = max(next(iter(sites.values())).stride)
        frequency = {network: site.frequency.numpy() for network, site in sites.items()}
        power = {network: site.power.numpy() for network, site in sites.items()}
        spectra.append(SiteSpectrum(_shorten(name), stride, frequency, power))
    return spectra


def curves_of(reports: Mapping[str, EquivarianceReport]) -> list[EquivarianceCurve]:
    """Return the errors of all layers in the order of execution, NaN where a network has not one.

    Args:
        reports: Reports by network, the baseline first.

    Raises:
        ValueError: If no layer is common to all.
    """
    columns = {network: {layer.name: layer for layer in report.layers} for network, report in reports.items()}
    names = tuple(_in_order('have layers of the same names', columns))
    curves = []
    for network, column in columns.items():
        means = {name: layer.mean for name, layer in column.items()}
        limits = {name: layer.interval or (layer.mean, layer.mean) for name, layer in column.items()}
        error = np.array([means.get(name, np.nan) for name in names])
        interval = np.array([limits.get(name, (np.nan, np.nan)) for name in names])
        curves.append(EquivarianceCurve(network, names, error, interval))
    return curves


def _in_order(rule: str, columns: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Merge the names of networks, so that each stands behind those that it follows; some must be common to all."""
    names: list[str] = []
    for column in columns.values():
        place = 0
        for name in column:
            if name not in names:
                names.insert(place, name)
            place = names.index(name) + 1
    if not any(all(name in column for column in columns.values()) for name in names):
        raise ValueError(f'models must {rule}, got none that {", ".join(columns)} have in common')
    return names


def _shorten(name: str) -> str:
    """The first of the operations that share a filter."""
    first, plus, _ = name.partition(' + ')
    return f'{first} + …' if plus else first

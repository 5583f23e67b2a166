"""Colors, markers and frames that all figures share."""

from matplotlib.axes import Axes

# Okabe and Ito's colors, which stay apart for color-blind eyes.
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = '#0072b2', '#d55e00', '#009e73', '#e69f00', '#cc79a7', '#56b4e9'
GRAY = '#8a8a8a'

NETWORKS = (VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY)
"""Colors of networks in the order in which they are given, the baseline first."""

MARKERS = ('o', 's', '^', 'D', 'v', 'P')
"""Their markers: color is never all that tells two apart."""

ABOVE = {'frameon': False, 'fontsize': 9, 'loc': 'lower center', 'bbox_to_anchor': (0.5, 1)}
"""A legend above its axis."""


def open_frame(axis: Axes) -> None:
    """Draw a faint grid, and no frame above and to the right."""
    axis.grid(alpha=0.25)
    axis.spines[['top', 'right']].set_visible(False)

"""Colors that all figures share."""

# Okabe and Ito's colors, which stay apart for color-blind eyes.
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = '#0072b2', '#d55e00', '#009e73', '#e69f00', '#cc79a7', '#56b4e9'
GRAY = '#8a8a8a'

NETWORKS = (VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY)
"""Colors of networks in the order in which they are given, the baseline first."""

MARKERS = ('o', 's', '^', 'D', 'v', 'P')
"""Their markers: color is never all that tells two apart."""

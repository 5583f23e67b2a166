"""Colors of all figures and of the explorer's page, which stay apart for color-blind eyes.

The named ones are of Okabe and Ito, "Color Universal Design" (2002, https://jfly.uni-koeln.de/color/). The tests hold
how far they are apart for the three kinds of color blindness, as Machado et al. simulate them (IEEE TVCG 2009).
"""

ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = '#e69f00', '#56b4e9', '#009e73', '#0072b2', '#d55e00', '#cc79a7'

GRAY = '#595959'
"""What others are compared with. A lighter gray would look like `GREEN` and `PURPLE` to some."""

NETWORKS = (VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY)
"""Networks in the order in which they are given, the baseline first."""

FLIP = '#ff003c'
"""Pixels that flip, on a faint picture."""

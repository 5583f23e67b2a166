"""What a reader sees of a figure: where its texts stand, and colors as color-blind eyes see them."""

import itertools

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE TVCG
# 2009: the matrices of severity 1, for linear RGB.
SIGHT = {
    'normal': np.eye(3),
    'protanopia': np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    'deuteranopia': np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    'tritanopia': np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def apart(colors, sight='normal'):
    """The least distance of two colors, RGB in [0, 1], in CIELAB (1976) as these eyes see them."""
    rgb = np.asarray(colors, float)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ SIGHT[sight].T
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = linear.clip(0, 1) @ np.transpose(to_xyz) / (0.95047, 1, 1.08883)
    x, y, z = np.moveaxis(np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116), -1, 0)
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)
    return min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2))


def texts(figure):
    """All visible texts with their boxes in pixels, as (text, left, bottom, right, top, degrees)."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    # Ticks beyond the limits of an axis are there, but not drawn.
    hidden = {
        id(label)
        for axis in figure.axes
        for one, limits in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim()))
        for tick in [*one.get_major_ticks(), *one.get_minor_ticks()]
        for label in (tick.label1, tick.label2)
        if not (one.get_visible() and axis.axison and min(limits) <= tick.get_loc() <= max(limits))
    }
    found = []
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden:
            box = Text.get_window_extent(text, renderer)
            if box.width and box.height:
                found.append((text.get_text(), *box.extents, text.get_rotation()))
    return found


def unreadable(figure):
    """Texts that are cut by the edge of the figure, and pairs that cover each other; slanted ones are not compared."""
    found = texts(figure)
    width, height = figure.bbox.size
    cut = [name for name, left, low, right, top, _ in found if min(left, low) < 0 or right > width or top > height]
    straight = [one for one in found if one[-1] % 90 == 0]
    covered = [
        (a[0], b[0])
        for a, b in itertools.combinations(straight, 2)
        if min(a[3], b[3]) - max(a[1], b[1]) > 1 and min(a[4], b[4]) - max(a[2], b[2]) > 1
    ]
    return cut + covered

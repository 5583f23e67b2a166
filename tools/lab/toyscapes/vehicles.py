"""Cars, trucks, buses and trams."""

import functools
import math

import numpy as np

from lab.toyscapes.canvas import Canvas
from lab.toyscapes.classes import Label
from lab.toyscapes.light import Color, mix
from lab.toyscapes.solids import Face, Pose, Solid, box, cast_shadow, paint_solids, prism

GLASS, TYRE, PLATE = (52, 66, 84), (26, 26, 30), (232, 232, 224)
RED, WHITE, STEEL = (226, 40, 36), (255, 248, 226), (166, 170, 176)
CAR_COLORS = (
    (200, 42, 44),
    (38, 84, 164),
    (228, 228, 230),
    (56, 60, 68),
    (172, 178, 186),
    (238, 178, 48),
    (34, 112, 96),
    (122, 36, 56),
    (96, 150, 200),
)
BUS_COLORS = ((226, 166, 36), (196, 48, 44), (48, 130, 92), (232, 232, 226))
TRUCK_COLORS = ((236, 238, 240), (210, 120, 50), (70, 110, 160), (180, 190, 196))
TRAM_COLORS = ((214, 60, 60), (240, 200, 60), (70, 140, 90), (60, 110, 180))


def paint_car(canvas: Canvas, pose: Pose, color: Color, estate: bool = False) -> None:
    """Paint a car 4.3 m long, with lights, plates, windows and wheels."""
    cast_shadow(canvas, pose, 4.3, 0.92, 1.4)
    paint_solids(canvas, _car(color, estate), pose, Label.CAR)


def paint_truck(canvas: Canvas, pose: Pose, color: Color) -> None:
    """Paint a box truck 7.6 m long, with stripes and a sign on its load."""
    chassis, load, cab = _truck(color)
    away = math.cos(pose.heading) > 0
    cast_shadow(canvas, pose, 7.6, 1.2, 3.2)
    paint_solids(canvas, (chassis, cab, load) if away else (chassis, load, cab), pose, Label.TRUCK)


def paint_bus(canvas: Canvas, pose: Pose, color: Color) -> None:
    """Paint a city bus 10.5 m long, with its line on a display."""
    cast_shadow(canvas, pose, 10.5, 1.25, 3.0)
    paint_solids(canvas, _bus(color), pose, Label.BUS)


def paint_train(canvas: Canvas, pose: Pose, color: Color) -> None:
    """Paint one car of a tram, 9 m long."""
    cast_shadow(canvas, pose, 9.3, 1.25, 3.4)
    paint_solids(canvas, _tram(color), pose, Label.TRAIN)


@functools.cache
def _car(color: Color, estate: bool) -> tuple[Solid, ...]:
    tail = -2.05 if estate else -1.8
    outline = {
        'bottom': (-2.1, 0.28),
        'front': (2.15, 0.28),
        'nose': (2.15, 0.66),
        'hood': (1.95, 0.8),
        'waist': (0.95, 0.95),
        'rear': (-2.1, 0.95),
    }
    body = prism(outline, 0.88, color)
    cabin = prism(
        {'floor': (tail, 0.93), 'windshield': (1.05, 0.93), 'roof': (0.25, 1.48), 'rear': (tail + 0.42, 1.48)},
        0.84,
        color,
        0.16,
    )
    body.faces['rear'].patch(0.32, 0.3, 0.68, 0.48, PLATE)
    _plate_text(body.faces['rear'], (0.34, 0.33, 0.66, 0.45))
    for left in (0.03, 0.79):
        body.faces['rear'].patch(left, 0.56, left + 0.18, 0.82, RED, shines=True)
        body.faces['front'].patch(left, 0.5, left + 0.18, 0.95, WHITE, shines=True)
    body.faces['rear'].patch(0, 0, 1, 0.14, (40, 42, 46))
    body.faces['front'].patch(0.26, 0.4, 0.74, 0.85, (34, 36, 40))
    for share in (0.45, 0.6, 0.75):
        body.faces['front'].patch(0.28, share, 0.72, share + 0.05, STEEL)
    cabin.faces['rear'].patch(0.08, 0.12, 0.92, 0.86, GLASS)
    cabin.faces['windshield'].patch(0.06, 0.06, 0.94, 0.9, GLASS)
    cabin.faces['windshield'].patch(0.12, 0.45, 0.5, 0.84, mix(GLASS, (190, 210, 225), 0.45))
    for side in ('left', 'right'):
        cabin.faces[side].patch(0.1, 0.14, 0.47, 0.86, GLASS)
        cabin.faces[side].patch(0.5, 0.14, 0.9, 0.86, GLASS)
        _wheels(body.faces[side], (-1.35, 1.35), 0.34)
    return box((-1.9, 1.9), 0.82, (0.02, 0.3), (22, 22, 26)), body, cabin


@functools.cache
def _truck(color: Color) -> tuple[Solid, ...]:
    load = box((-3.9, 1.7), 1.2, (0.95, 3.5), mix(color, (240, 240, 236), 0.35))
    cab = prism(
        {'floor': (1.8, 0.5), 'front': (3.8, 0.5), 'windshield': (3.8, 1.5), 'top': (3.5, 2.75), 'rear': (1.8, 2.75)},
        1.12,
        color,
    )
    chassis = box((-3.8, 3.6), 1.05, (0.3, 1.0), (46, 46, 52))
    for edge in np.arange(0.04, 0.96, 0.06):
        load.faces['rear'].patch(edge, 0.06, edge + 0.015, 0.94, mix(color, (90, 90, 90), 0.5))
    load.faces['rear'].patch(0.485, 0.02, 0.515, 0.98, (70, 70, 74))
    for left in (0.04, 0.86):
        chassis.faces['rear'].patch(left, 0.3, left + 0.1, 0.8, RED, shines=True)
        cab.faces['front'].patch(left, 0.1, left + 0.1, 0.35, WHITE, shines=True)
    chassis.faces['rear'].patch(0.38, 0.35, 0.62, 0.75, PLATE)
    cab.faces['windshield'].patch(0.06, 0.08, 0.94, 0.9, GLASS)
    for low in (0.45, 0.58, 0.71):
        cab.faces['front'].patch(0.2, low, 0.8, low + 0.06, (60, 62, 68))
    for side in ('left', 'right'):
        load.faces[side].patch(0.08, 0.3, 0.92, 0.42, color)
        _letters(load.faces[side], (0.2, 0.52, 0.8, 0.8), mix(color, (20, 20, 30), 0.4), 11)
        cab.faces[side].patch(0.2, 0.5, 0.72, 0.86, GLASS)
        _wheels(chassis.faces[side], (-2.6, 2.7), 0.5)
    return chassis, load, cab


@functools.cache
def _bus(color: Color) -> tuple[Solid, ...]:
    body = box((-5.2, 5.3), 1.25, (0.35, 3.15), color)
    under = box((-4.9, 5.0), 1.1, (0.05, 0.36), (26, 26, 30))
    for name in ('front', 'rear'):
        face = body.faces[name]
        face.patch(0.05, 0.42, 0.95, 0.8, GLASS)
        face.patch(0.1, 0.84, 0.9, 0.96, (24, 24, 26))
        _letters(face, (0.14, 0.86, 0.86, 0.94), (255, 190, 60), 9)
        face.patch(0.3, 0.1, 0.7, 0.17, PLATE)
        for left in (0.04, 0.82):
            face.patch(left, 0.14, left + 0.14, 0.24, RED if name == 'rear' else WHITE, shines=True)
    for side in ('left', 'right'):
        face = body.faces[side]
        face.patch(0, 0.28, 1, 0.34, mix(color, (255, 255, 255), 0.7))
        for left in np.arange(0.02, 0.95, 0.122):
            face.patch(left, 0.42, left + 0.105, 0.84, GLASS)
            face.patch(left + 0.01, 0.6, left + 0.05, 0.8, mix(GLASS, (190, 210, 225), 0.35))
        _wheels(face, (-3.2, 3.3), 0.5)
    return under, body


@functools.cache
def _tram(color: Color) -> tuple[Solid, ...]:
    body, cream = box((-4.5, 4.5), 1.25, (0.35, 3.5), color), mix(color, (240, 240, 236), 0.75)
    for name in ('front', 'rear'):
        face = body.faces[name]
        face.patch(0, 0, 1, 0.36, cream)
        face.patch(0.07, 0.4, 0.93, 0.8, GLASS)
        face.patch(0.25, 0.85, 0.75, 0.95, (24, 24, 26))
        _letters(face, (0.3, 0.87, 0.7, 0.93), (255, 200, 80), 5)
        for left in (0.08, 0.8):
            face.patch(left, 0.2, left + 0.12, 0.3, WHITE, shines=True)
    for side in ('left', 'right'):
        face = body.faces[side]
        face.patch(0, 0, 1, 0.36, cream)
        for left in np.arange(0.03, 0.9, 0.16):
            face.patch(left, 0.44, left + 0.12, 0.84, GLASS)
    return box((-4.3, 4.3), 1.0, (0.05, 0.4), (30, 30, 34)), body


def _wheels(face: Face, places: tuple[float, ...], radius: float) -> None:
    for a in places:
        for size, color in ((1.0, TYRE), (0.62, STEEL), (0.3, (90, 94, 100))):
            face.disc(a, radius, radius * size, color)


def _plate_text(face: Face, area: tuple[float, float, float, float]) -> None:
    _letters(face, area, (40, 44, 60), 7)


def _letters(face: Face, area: tuple[float, float, float, float], color: Color, count: int) -> None:
    """Strokes with gaps, like a line of text too small to read."""
    left, low, right, high = area
    step = (right - left) / count
    for i in range(count):
        start, rise = left + i * step, (high - low) * (0.35 if i % 3 == 1 else 0)
        face.patch(start, low, start + step * 0.4, high - rise, color)
        if i % 2:
            face.patch(start, low, start + step * 0.75, low + (high - low) * 0.25, color)

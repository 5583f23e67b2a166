"""People on foot and on two wheels."""

import math

import numpy as np

from lab.toyscapes.canvas import Canvas
from lab.toyscapes.classes import Label
from lab.toyscapes.light import Color
from lab.toyscapes.solids import Pose

SKIN = ((240, 200, 170), (214, 164, 130), (156, 106, 78), (104, 70, 52))
CLOTHES = (
    (214, 60, 70),
    (240, 190, 70),
    (60, 110, 190),
    (90, 60, 110),
    (236, 236, 232),
    (52, 56, 66),
    (70, 150, 120),
    (230, 120, 50),
)
TROUSERS = ((48, 56, 84), (60, 60, 64), (120, 104, 84), (36, 38, 44), (92, 112, 150))
HAIR = ((40, 30, 26), (92, 62, 38), (196, 160, 96), (130, 128, 128))
RUBBER = (30, 30, 34)


Clothes = tuple[Color, Color, Color, Color]


def draw_clothes(rng: np.random.Generator) -> Clothes:
    """Draw the colors of skin, top, trousers and hair."""
    return tuple(colors[int(rng.integers(len(colors)))] for colors in (SKIN, CLOTHES, TROUSERS, HAIR))


class _Figure:
    """Draws limbs in a vertical plane: a along the heading, y up, in metres."""

    def __init__(self, canvas: Canvas, pose: Pose, label: Label) -> None:
        self.canvas, self.pose, self.label = canvas, pose, label
        self.pixel = canvas.camera.scale(pose.z)

    def spots(self, points: list[tuple[float, float]]) -> np.ndarray:
        local = np.array([[a, 0.0, y] for a, y in points])
        return self.canvas.camera.project(self.pose.world(local))

    def limb(self, points: list[tuple[float, float]], width: float, color: Color, shade: float = 1.0) -> None:
        spots, tone = self.spots(points), self.canvas.light.color(color, self.pose.z, shade)
        self.canvas.line(spots, tone, width * self.pixel, self.label)
        for spot in spots:
            self.canvas.disc(spot, width * self.pixel / 2, tone, self.label)

    def ball(self, center: tuple[float, float], radius: float, color: Color) -> None:
        tone = self.canvas.light.color(color, self.pose.z)
        self.canvas.disc(self.spots([center])[0], radius * self.pixel, tone, self.label)

    def wheel(self, a: float, radius: float, tyre: float, spokes: int) -> None:
        """A wheel whose label covers what shows between the spokes, as in Cityscapes."""
        angle = np.linspace(0, 2 * math.pi, 25)[:-1]
        rim = self.spots(list(zip(a + radius * np.cos(angle), radius + radius * np.sin(angle), strict=True)))
        light = self.canvas.light
        self.canvas.polygon(rim, None, self.label)
        for i in range(spokes):
            turn = 2 * math.pi * i / spokes
            ends = [(a, radius), (a + radius * math.cos(turn), radius + radius * math.sin(turn))]
            self.canvas.line(self.spots(ends), light.color((190, 192, 198), self.pose.z), 0.008 * self.pixel, None)
        self.canvas.ring(rim, light.color(RUBBER, self.pose.z), tyre * self.pixel)


def paint_person(canvas: Canvas, pose: Pose, height: float, step: float, clothes: Clothes) -> None:
    """Paint somebody walking.

    Args:
        canvas: what is painted on.
        pose: place and heading.
        height: body height in metres.
        step: phase of the stride, -1 to 1.
        clothes: colors of skin, top, trousers and hair.
    """
    skin, top, trousers, hair = clothes
    figure, h = _Figure(canvas, pose, Label.PERSON), height
    _ground_shadow(canvas, pose, 0.3)
    for sign, shade in ((-1, 0.8), (1, 1.0)):
        swing = sign * step * 0.16 * h
        figure.limb([(0, 0.5 * h), (swing * 0.45 + 0.03, 0.27 * h), (swing, 0.05 * h)], 0.085 * h, trousers, shade)
        figure.limb([(swing, 0.025 * h), (swing + 0.06 * h, 0.02 * h)], 0.045 * h, RUBBER)
    figure.limb([(0, 0.79 * h), (step * 0.1 * h, 0.62 * h), (step * 0.15 * h, 0.5 * h)], 0.065 * h, top, 0.75)
    figure.limb([(0, 0.56 * h), (0.01, 0.76 * h)], 0.17 * h, top)
    figure.limb([(0, 0.79 * h), (-step * 0.1 * h, 0.62 * h), (-step * 0.14 * h, 0.5 * h)], 0.06 * h, top, 0.88)
    figure.ball((-step * 0.14 * h, 0.49 * h), 0.03 * h, skin)
    figure.limb([(0.01, 0.82 * h), (0.01, 0.87 * h)], 0.06 * h, skin)
    figure.ball((0.0, 0.945 * h), 0.062 * h, hair)
    figure.ball((0.015 * h, 0.93 * h), 0.054 * h, skin)


def paint_bicycle(canvas: Canvas, pose: Pose, color: Color) -> None:
    """Paint a bicycle: thin spokes, thin frame."""
    bike = _Figure(canvas, pose, Label.BICYCLE)
    _ground_shadow(canvas, pose, 0.8)
    for a in (-0.54, 0.54):
        bike.wheel(a, 0.35, 0.05, 14)
    seat, pedal, head = (-0.22, 0.9), (-0.08, 0.32), (0.38, 0.88)
    for tube in ([(-0.54, 0.35), seat, pedal, (-0.54, 0.35)], [(-0.2, 0.8), head, pedal], [head, (0.54, 0.35)]):
        bike.limb(tube, 0.045, color)
    bike.limb([(-0.34, 0.94), (-0.1, 0.94)], 0.06, RUBBER)
    bike.limb([head, (0.34, 1.04), (0.5, 1.08)], 0.035, RUBBER)


def paint_motorcycle(canvas: Canvas, pose: Pose, color: Color) -> None:
    """Paint a motorcycle: two fat wheels, a tank, an engine."""
    bike = _Figure(canvas, pose, Label.MOTORCYCLE)
    _ground_shadow(canvas, pose, 0.9)
    for a in (-0.7, 0.72):
        bike.wheel(a, 0.33, 0.13, 6)
        bike.ball((a, 0.33), 0.09, (150, 152, 158))
    bike.limb([(-0.25, 0.38), (0.25, 0.38)], 0.34, (70, 72, 78))
    for a in (-0.2, -0.05, 0.1):
        bike.limb([(a, 0.3), (a + 0.08, 0.55)], 0.04, (176, 178, 184))
    bike.limb([(-0.75, 0.22), (-0.1, 0.26)], 0.09, (186, 188, 194))
    bike.limb([(0.72, 0.33), (0.42, 1.0)], 0.07, (186, 188, 194))
    bike.limb([(0.05, 0.72), (0.38, 0.78)], 0.27, color)
    bike.limb([(-0.72, 0.8), (-0.1, 0.74)], 0.15, RUBBER)
    bike.limb([(-0.85, 0.78), (-0.72, 0.8)], 0.12, (226, 40, 36))
    bike.limb([(0.42, 1.0), (0.28, 1.08)], 0.05, RUBBER)
    bike.ball((0.52, 0.88), 0.1, (255, 248, 226))


def paint_rider(canvas: Canvas, pose: Pose, motor: bool, clothes: Clothes, color: Color) -> None:
    """Paint somebody riding a bicycle, or a motorcycle if `motor`."""
    (paint_motorcycle if motor else paint_bicycle)(canvas, pose, color)
    skin, top, trousers, _ = clothes
    rider = _Figure(canvas, pose, Label.RIDER)
    seat, shoulder, hands = (-0.22, 0.98), (0.06, 1.48), (0.42, 1.08)
    if motor:
        seat, shoulder, hands = (-0.3, 0.88), (-0.02, 1.4), (0.3, 1.08)
    for knee, foot, shade in (((0.2, 0.78), (0.02, 0.42), 0.8), ((0.16, 0.66), (-0.1, 0.26), 1.0)):
        rider.limb([seat, knee, foot], 0.14, trousers, shade)
        rider.limb([foot, (foot[0] + 0.14, foot[1])], 0.08, RUBBER)
    rider.limb([seat, shoulder], 0.3, top)
    rider.limb([shoulder, (0.2, 1.2), hands], 0.1, top, 0.85)
    rider.ball(hands, 0.05, skin)
    head = (shoulder[0] + 0.1, shoulder[1] + 0.24)
    rider.ball(head, 0.12, skin)
    rider.ball((head[0] - 0.02, head[1] + 0.05), 0.14, color)


def _ground_shadow(canvas: Canvas, pose: Pose, length: float) -> None:
    angle = np.linspace(0, 2 * math.pi, 13)[:-1]
    local = np.stack([length * np.cos(angle), 0.22 * np.sin(angle), np.zeros(12)], -1)
    canvas.shadow([canvas.camera.project(pose.world(local))], 0.9)

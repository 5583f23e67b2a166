"""Convex solids with painted sides, the stuff that vehicles are made of.

Local axes of a solid: a along its length (front is positive), b to its left, y up; its origin lies on the ground below
its middle.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from lab.toyscapes.canvas import Canvas
from lab.toyscapes.light import Color


@dataclass
class Face:
    """A planar polygon and what is painted on it.

    Args:
        points: corners in local metres, the first three not in a line. Shape: P 3.
        color: its color.
        decals: polygons in the same plane, each with color and whether it shines by itself.
    """

    points: np.ndarray
    color: Color
    decals: list[tuple[np.ndarray, Color, bool]] = field(default_factory=list)

    def patch(self, left: float, low: float, right: float, high: float, color: Color, shines: bool = False) -> None:
        """Paint a box onto a four-cornered face, in shares of its bottom edge and its height."""
        p = self.points
        corners = [(left, low), (right, low), (right, high), (left, high)]
        spots = [(1 - v) * ((1 - u) * p[0] + u * p[1]) + v * ((1 - u) * p[3] + u * p[2]) for u, v in corners]
        self.decals.append((np.array(spots), color, shines))

    def disc(self, a: float, y: float, radius: float, color: Color) -> None:
        """Paint a disc onto a face that stands along the length, at local a and y."""
        angle = np.linspace(0, 2 * math.pi, 17)[:-1]
        circle = np.stack(
            [a + radius * np.cos(angle), np.full(16, self.points[:, 1].mean()), y + radius * np.sin(angle)], -1
        )
        self.decals.append((circle, color, False))


@dataclass
class Solid:
    """A convex body: faces by name, 'left' and 'right' and one per edge of its outline."""

    faces: dict[str, Face]

    @property
    def middle(self) -> np.ndarray:
        """A point inside. Shape: 3."""
        sides = self.faces['left'].points, self.faces['right'].points
        return np.concatenate(sides).mean(0)


def prism(outline: dict[str, tuple[float, float]], half: float, color: Color, inset: float = 0.0) -> Solid:
    """Extrude an outline sideways.

    Args:
        outline: corners a, y of the side view, counterclockwise with the front to the right; each named after the face
            that begins there.
        half: half the width at the bottom.
        color: color of all faces.
        inset: how much narrower each side is at the top.
    """
    corners, names = np.array(list(outline.values()), float), list(outline)
    a, y = corners.T
    b = half - inset * (y - y.min()) / max(np.ptp(y), 1e-6)
    right, left = np.stack([a, -b, y], -1), np.stack([a, b, y], -1)
    faces = {}
    for i, name in enumerate(names):
        low, high = sorted((i, (i + 1) % len(names)), key=lambda corner: y[corner])
        faces[name] = Face(np.stack([left[low], right[low], right[high], left[high]]), color)
    faces['right'], faces['left'] = Face(right, color), Face(left, color)
    return Solid(faces)


def box(length: tuple[float, float], half: float, height: tuple[float, float], color: Color) -> Solid:
    """A cuboid from `length[0]` to `length[1]` along a and `height[0]` to `height[1]` along y."""
    (back, front), (low, high) = length, height
    outline = {'bottom': (back, low), 'front': (front, low), 'top': (front, high), 'rear': (back, high)}
    return prism(outline, half, color)


@dataclass(frozen=True)
class Pose:
    """Where a thing stands: x and z in metres, and its heading in radians (0: away from the viewer)."""

    x: float
    z: float
    heading: float = 0.0

    def world(self, points: np.ndarray) -> np.ndarray:
        """Local a, b, y to world x, y, z. Shape: ... 3 to ... 3."""
        sine, cosine = math.sin(self.heading), math.cos(self.heading)
        turn = np.array([[sine, 0, cosine], [-cosine, 0, sine], [0, 1, 0]])
        return points @ turn + (self.x, 0, self.z)


def paint_solids(canvas: Canvas, solids: tuple[Solid, ...], pose: Pose, label: int) -> None:
    """Paint solids in the given order; faces turned away are left out."""
    camera, light = canvas.camera, canvas.light
    viewer = camera.position - [camera.bend * pose.z**2, 0, 0]
    for solid in solids:
        middle = pose.world(solid.middle)
        for face in solid.faces.values():
            corners = pose.world(face.points)
            normal = _normal(corners, middle)
            if normal @ (corners[0] - viewer) >= 0:
                continue
            shade = light.shade(normal)
            canvas.polygon(camera.project(corners), light.color(face.color, pose.z, shade), label)
            for points, color, shines in face.decals:
                tone = light.color(color, pose.z * (0.3 if shines else 1), 1.15 if shines else shade)
                canvas.polygon(camera.project(pose.world(points)), tone, label)


def _normal(corners: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Unit normal of a polygon, pointing away from a point. Shapes: P 3 and 3 to 3."""
    (x0, y0, z0), (x1, y1, z1) = (corners[1] - corners[0]).tolist(), (corners[2] - corners[1]).tolist()
    normal = np.array([y0 * z1 - z0 * y1, z0 * x1 - x0 * z1, x0 * y1 - y0 * x1])
    normal /= max(math.hypot(*normal), 1e-9)
    return normal if normal @ (corners[0] - inside) > 0 else -normal


def cast_shadow(canvas: Canvas, pose: Pose, length: float, half: float, height: float) -> None:
    """Darken the ground below and beside a block."""
    base = np.array([[-length / 2, half, 0], [length / 2, half, 0], [length / 2, -half, 0], [-length / 2, -half, 0]])
    ground = pose.world(base)
    sun = canvas.light.sun
    shifted = ground - height * 0.6 * np.array([sun[0], 0, sun[2]]) / sun[1]
    near, far = canvas.camera.project(ground), canvas.camera.project(shifted)
    sides = [np.stack([near[i], near[i - 1], far[i - 1], far[i]]) for i in range(4)]
    canvas.shadow([near, far, *sides])

"""A pinhole camera over a street, metres in and pixels out, and the canvas of picture and labels that it fills.

World axes: x to the right of the road's middle, y up from the ground, z ahead of the camera.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from lab.toyscapes.classes import IGNORE, Label
from lab.toyscapes.light import Light

NEAR = 1.0


@dataclass(frozen=True)
class Camera:
    """Where the viewer stands and what it sees.

    Args:
        width: image width in pixels.
        height: image height in pixels.
        focal: focal length in pixels.
        center: column and row of the vanishing point, in pixels.
        x: lateral position on the road, in metres.
        y: height above the ground, in metres.
        bend: curvature of the road: at depth z it lies `bend * z**2` metres to the right.
    """

    width: int
    height: int
    focal: float
    center: tuple[float, float]
    x: float
    y: float
    bend: float = 0.0

    @property
    def position(self) -> np.ndarray:
        """The viewer's own place in the world. Shape: 3."""
        return np.array([self.x, self.y, 0.0])

    def scale(self, z: float) -> float:
        """Pixels per metre at depth `z`."""
        return self.focal / max(z, NEAR)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project points of the world.

        Args:
            points: x, y, z in metres; what is nearer than `NEAR` is moved there. Shape: ... 3.

        Returns:
            Column and row in pixels. Shape: ... 2.
        """
        points = np.asarray(points, float)
        z = np.maximum(points[..., 2], NEAR)
        pixels = np.empty((*points.shape[:-1], 2))
        pixels[..., 0] = self.center[0] + self.focal * (points[..., 0] + self.bend * z**2 - self.x) / z
        pixels[..., 1] = self.center[1] + self.focal * (self.y - points[..., 1]) / z
        return pixels


SUPERSAMPLING = 3
Points = np.ndarray | Sequence[tuple[float, float]]


class Canvas:
    """What painters paint on: a picture and a label map of the same, supersampled size.

    Args:
        camera: projects the world to pixels of this canvas.
        light: colors what is painted.
    """

    def __init__(self, camera: Camera, light: Light) -> None:
        self.camera, self.light = camera, light
        size = (camera.width, camera.height)
        self.image = Image.new('RGB', size)
        self.labels = Image.new('L', size, IGNORE)
        self._image = ImageDraw.Draw(self.image)
        self._labels = ImageDraw.Draw(self.labels)

    def polygon(self, points: Points, color: tuple[int, int, int] | None, label: int | None) -> None:
        """Fill a polygon given in pixels; without a color, or without a label, that one stays as it is."""
        points = _flat(points)
        if color is not None:
            self._image.polygon(points, fill=color)
        if label is not None:
            self._labels.polygon(points, fill=int(label))

    def line(self, points: Points, color: tuple[int, int, int], width: float, label: int | None) -> None:
        """Draw a line through pixels, `width` pixels of the canvas thick but at least one."""
        points, width = _flat(points), max(1, round(width))
        self._image.line(points, fill=color, width=width, joint='curve' if width > 4 else None)
        if label is not None:
            self._labels.line(points, fill=int(label), width=width, joint='curve' if width > 4 else None)

    def disc(
        self, center: Sequence[float], radius: float, color: tuple[int, int, int] | None, label: int | None
    ) -> None:
        """Fill a circle given in pixels."""
        box = [center[0] - radius, center[1] - radius, center[0] + radius, center[1] + radius]
        if color is not None:
            self._image.ellipse(box, fill=color)
        if label is not None:
            self._labels.ellipse(box, fill=int(label))

    def ring(self, points: Points, color: tuple[int, int, int], width: float) -> None:
        """Draw a closed line through pixels into the picture only."""
        points = _flat(points)
        self._image.line([*points, *points[:2]], fill=color, width=max(1, round(width)))

    def shadow(self, polygons: Sequence[np.ndarray], strength: float = 1.0) -> None:
        """Darken the union of polygons given in pixels; labels stay as they are."""
        box = self.clip(np.concatenate(polygons))
        if box is None:
            return
        mask = Image.new('L', (box[2] - box[0], box[3] - box[1]))
        draw = ImageDraw.Draw(mask)
        for polygon in polygons:
            draw.polygon(_flat(polygon - box[:2]), fill=int(255 * self.light.shadow * strength))
        self.image.paste((22, 24, 40), tuple(box), mask)

    def warp(self, texture: Image.Image, corners: np.ndarray, label: int | None) -> None:
        """Paint a texture into a quadrilateral, in perspective.

        Args:
            texture: RGB image.
            corners: where the texture's corners go, in pixels, clockwise from the top left. Shape: 4 2.
            label: train id of the whole quadrilateral.
        """
        box = self.clip(corners)
        if box is None:
            return
        width, height = texture.size
        source = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
        size = (box[2] - box[0], box[3] - box[1])
        patch = texture.transform(size, Image.Transform.PERSPECTIVE, _homography(corners - box[:2], source))
        mask = Image.new('1', size)
        ImageDraw.Draw(mask).polygon(_flat(corners - box[:2]), fill=1)
        self.image.paste(patch, tuple(box), mask)
        self.polygon(corners, None, label)

    def stamp(self, sprite: Image.Image, mask: Image.Image, corner: Sequence[float], label: Label) -> None:
        """Paint a sprite where its mask is set, upright, with its top left corner at `corner`."""
        corner = tuple(int(c) for c in corner)
        self.image.paste(sprite, corner, mask)
        self.labels.paste(int(label), (*corner, corner[0] + mask.width, corner[1] + mask.height), mask)

    def finish(self) -> tuple[Image.Image, Image.Image]:
        """Reduce to the size that is kept: the picture by its mean, the labels by majority.

        Returns:
            Picture (RGB) and labels (train ids and `IGNORE`, one byte a pixel).
        """
        labels = majority(np.asarray(self.labels), SUPERSAMPLING)
        return self.image.reduce(SUPERSAMPLING), Image.fromarray(labels)

    def clip(self, points: np.ndarray) -> list[int] | None:
        """The box around points that lies on the canvas, as left, top, right, bottom; None if nothing does."""
        low = np.maximum(np.floor(points.min(0)), 0).astype(int)
        high = np.minimum(np.ceil(points.max(0)) + 1, (self.camera.width, self.camera.height)).astype(int)
        return None if (high <= low).any() else [*low.tolist(), *high.tolist()]


def majority(labels: np.ndarray, factor: int) -> np.ndarray:
    """Reduce a label map: every pixel gets the label that occurs most often in its block, the smallest of equals.

    Args:
        labels: labels. Shape: H W, uint8, H and W divisible by `factor`.
        factor: side of a block.

    Returns:
        Labels. Shape: H/factor W/factor, uint8.
    """
    samples = [labels[i::factor, j::factor] for i in range(factor) for j in range(factor)]
    reduced = samples[0].copy()
    mixed = np.logical_or.reduce([sample != reduced for sample in samples])
    votes = np.zeros((int(mixed.sum()), 256), np.uint8)
    rows = np.arange(len(votes))
    for sample in samples:
        votes[rows, sample[mixed]] += 1
    reduced[mixed] = votes.argmax(-1)
    return reduced


def _flat(points: Points) -> list[float]:
    return np.asarray(points, float).ravel().tolist()


def _homography(target: np.ndarray, source: np.ndarray) -> list[float]:
    rows, values = [], []
    for (x, y), (u, v) in zip(target, source, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.linalg.solve(np.array(rows), np.array(values)).tolist()

"""A pinhole camera over a street: metres in, pixels out.

World axes: x to the right of the road's middle, y up from the ground, z ahead of the camera.
"""

from dataclasses import dataclass

import numpy as np

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

"""Traffic on the road: moving and parked vehicles, and people who cross."""

import math

import numpy as np

from lab.toyscapes import people, vehicles
from lab.toyscapes.roadside import add_person
from lab.toyscapes.scene import ROAD, Scene, pick
from lab.toyscapes.solids import Pose


def fill_road(scene: Scene, rng: np.random.Generator) -> None:
    """Draw everything between the curbs."""
    street = scene.street
    crosses = rng.uniform(14, 36) if street.rails is None and rng.random() < 0.3 else None
    if street.rails is not None and rng.random() < 0.85:
        _add_tram(scene, rng)
    for side in (1,) if street.rails is not None else (-1, 1):
        _add_traffic(scene, rng, side, crosses)
    for side in (side for side, parks in scene.parking.items() if parks):
        _add_parked(scene, rng, side)
    if crosses is not None:
        heading = pick(rng, (-1, 1)) * math.pi / 2 + rng.normal(0, 0.1)
        _add_vehicle(scene, rng, Pose(rng.uniform(-3, 3), crosses, heading))
    if street.crossing is not None and rng.random() < 0.7:
        for x in rng.uniform(-street.half, street.half, rng.integers(1, 5)).tolist():
            add_person(scene, rng, ROAD, x, street.crossing + rng.uniform(0.4, 2.8))


def _add_tram(scene: Scene, rng: np.random.Generator) -> None:
    color, front = pick(rng, vehicles.TRAM_COLORS), rng.uniform(11, 32)
    for z in (front + 9.3 * np.arange(rng.integers(2, 4))).tolist():
        scene.add(ROAD, z, vehicles.paint_train, pose=Pose(scene.street.rails, z + 4.6), color=color)


def _add_traffic(scene: Scene, rng: np.random.Generator, side: int, crosses: float | None) -> None:
    """Draw a queue in one direction, with room for what crosses the road at depth `crosses`."""
    half = scene.street.half
    share = 0.5 if half < 5.6 else pick(rng, (0.3, 0.7))
    lane = side * (half - 3.4 if scene.parking[side] else share * half)
    z = rng.uniform(8, 26)
    while z < 130:
        if crosses is not None and -14 < z - crosses < 6:
            z = crosses + 6
        pose = Pose(lane + rng.normal(0, 0.15), z, _along(side) + rng.normal(0, 0.03))
        z += _add_vehicle(scene, rng, pose) + rng.uniform(0, 28)


def _add_parked(scene: Scene, rng: np.random.Generator, side: int) -> None:
    z = rng.uniform(8, 24)
    while z < 100:
        _add_car(scene, rng, Pose(side * (scene.street.half - 1.1), z, _along(side) + rng.normal(0, 0.02)))
        z += rng.uniform(5, 7) if rng.random() < 0.75 else rng.uniform(9, 25)


def _add_vehicle(scene: Scene, rng: np.random.Generator, pose: Pose) -> float:
    """Draw something that drives, its near end at `pose`; returns the least distance to the next in metres."""
    kind = rng.choice(['car', 'truck', 'bus', 'rider'], p=[0.46, 0.16, 0.15, 0.23])
    if kind == 'car':
        _add_car(scene, rng, pose)
        return 9.0
    if kind == 'rider':
        turned = Pose(pose.x, pose.z, pose.heading + pick(rng, (-1, 1)) * rng.uniform(0.5, 1.2))
        look = {'motor': bool(rng.random() < 0.5), 'clothes': people.draw_clothes(rng)}
        scene.add(ROAD, pose.z, people.paint_rider, pose=turned, color=pick(rng, people.CLOTHES), **look)
        return 7.0
    if kind == 'truck':
        paint, colors, middle, room = vehicles.paint_truck, vehicles.TRUCK_COLORS, 2.0, 14.0
    else:
        paint, colors, middle, room = vehicles.paint_bus, vehicles.BUS_COLORS, 3.0, 17.0
    placed = Pose(pose.x, pose.z + middle, pose.heading)
    scene.add(ROAD, pose.z, paint, pose=placed, color=pick(rng, colors))
    return room


def _add_car(scene: Scene, rng: np.random.Generator, pose: Pose) -> None:
    color, estate = pick(rng, vehicles.CAR_COLORS), bool(rng.random() < 0.4)
    scene.add(ROAD, pose.z, vehicles.paint_car, pose=pose, color=color, estate=estate)


def _along(side: int) -> float:
    """Heading of traffic on the right (1, away from the viewer) or the left (-1) half of the road."""
    return 0.0 if side > 0 else math.pi

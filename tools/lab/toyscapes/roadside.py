"""The roadside: houses, trees, fences, people."""

import itertools

import numpy as np

from lab.toyscapes import buildings, furniture, people, vehicles
from lab.toyscapes.scene import BACKGROUND, BORDER, CURB, HOUSES, WALK, Scene, pick, vary
from lab.toyscapes.solids import Pose

GREENS = ((92, 148, 66), (118, 162, 70), (70, 126, 72), (140, 158, 62), (176, 142, 54))
FENCES = ((240, 240, 234), (112, 82, 58), (52, 74, 62), (70, 72, 80))
STONES = ((150, 144, 138), (164, 140, 116), (128, 124, 132))


def fill_side(scene: Scene, rng: np.random.Generator, side: int) -> None:
    """Draw everything left (`side` -1) or right (1) of the road."""
    street, kind = scene.street, rng.choice(['city', 'suburb', 'park'], p=[0.5, 0.3, 0.2])
    plot = street.plot(side)
    if kind == 'park':
        _add_trees(scene, rng, HOUSES, side * (plot + 5), spread=4.0, step=4.5, size=(5, 10))
        _add_trees(scene, rng, BACKGROUND, side * (plot + 16), spread=8.0, step=6.0, size=(9, 15))
    else:
        _add_houses(scene, rng, side, plot + 3 if kind == 'suburb' else plot, kind == 'city')
        _add_trees(scene, rng, BACKGROUND, side * (plot + 22), spread=5.0, step=16.0, size=(8, 13))
    if kind != 'city' or street.lawns[side > 0] > 1.5:
        _add_border(scene, rng, side * (plot - 0.2))
    if rng.random() < 0.55:
        x, step = side * (street.edge(side) - 0.9), rng.uniform(9, 16)
        _add_trees(scene, rng, WALK, x, spread=0.2, step=step, size=(3.2, 6), kinds=('round',))
    _add_furniture(scene, rng, side)
    _add_people(scene, rng, side)


def _add_houses(scene: Scene, rng: np.random.Generator, side: int, x: float, city: bool) -> None:
    z = rng.uniform(1, 6)
    while z < 170:
        length = rng.uniform(9, 22) if city else rng.uniform(8, 13)
        house = buildings.House(
            side=side,
            x=x + rng.uniform(0, 0.8),
            near=z,
            far=z + length,
            storeys=int(rng.integers(2, 7) if city else rng.integers(1, 3)),
            color=vary(rng, pick(rng, buildings.WALLS)),
            surface=str(rng.choice(['brick', 'plaster', 'office'], p=[0.5, 0.35, 0.15])),
            bay=rng.uniform(2.0, 3.4),
            roof=rng.uniform(2.5, 4.5) if not city or rng.random() < 0.3 else 0.0,
            seed=int(rng.integers(1 << 30)),
        )
        scene.add(HOUSES, z, buildings.paint_house, house=house)
        z += length
        if not city or rng.random() < 0.25:
            z += rng.uniform(3, 9)


def _add_trees(
    scene: Scene,
    rng: np.random.Generator,
    layer: int,
    x: float,
    spread: float,
    step: float,
    size: tuple[float, float],
    kinds: tuple[str, ...] = ('round', 'round', 'conifer'),
) -> None:
    z, green = rng.uniform(5, 5 + step) + 1.1 * size[1], pick(rng, GREENS)
    while z < 190:
        kind, variant, color = pick(rng, kinds), int(rng.integers(6)), vary(rng, green)
        pose, width = Pose(x + rng.uniform(-spread, spread), z), rng.uniform(*size)
        scene.add(layer, z, furniture.paint_plant, pose=pose, kind=kind, variant=variant, size=width, color=color)
        z += step * rng.uniform(0.7, 1.3) * (1 + z / 60)


def _add_border(scene: Scene, rng: np.random.Generator, x: float) -> None:
    """Draw fences, walls and hedges along a line, with gaps between them."""
    z, paint, stone = rng.uniform(1.5, 3), pick(rng, FENCES), vary(rng, pick(rng, STONES))
    while z < 70:
        far, height = z + rng.uniform(8, 24), rng.uniform(1.1, 2.0)
        kind = rng.choice(['fence', 'wall', 'hedge'], p=[0.5, 0.28, 0.22])
        style = pick(rng, ('pickets', 'rails', 'mesh'))
        # In pieces, each with the haze and the fineness of its own distance.
        cuts = np.linspace(z, far, int((far - z) / 6) + 1).tolist()
        for near, end in itertools.pairwise(cuts):
            place = {'x': x, 'near': near, 'far': end, 'height': height}
            if kind == 'fence':
                scene.add(BORDER, near, furniture.paint_fence, **place, color=paint, kind=style)
            elif kind == 'wall':
                scene.add(BORDER, near, furniture.paint_wall, **place, color=stone)
            else:
                _add_hedge(scene, rng, x, near, end)
        z = far + rng.uniform(0.5, 6)


def _add_hedge(scene: Scene, rng: np.random.Generator, x: float, near: float, far: float) -> None:
    for z in np.arange(max(near, 3), far, 1.1 + near / 60).tolist():
        bush = {'kind': 'bush', 'variant': int(rng.integers(6)), 'size': rng.uniform(1.7, 2.3), 'color': (78, 128, 62)}
        scene.add(BORDER, z, furniture.paint_plant, pose=Pose(x, z), **bush)


def _add_furniture(scene: Scene, rng: np.random.Generator, side: int) -> None:
    """Draw lamps, signs, traffic lights and railings along the curb."""
    street, curb = scene.street, side * (scene.street.half + 0.5)
    height = rng.uniform(5.5, 8)
    for z in np.arange(rng.uniform(9, 20), 150, rng.uniform(18, 26)).tolist():
        scene.add(WALK, z, furniture.paint_lamp, pose=Pose(curb, z), side=side, height=height)
    for z in rng.uniform(9, 60, rng.integers(1, 4)).tolist():
        shape = str(rng.choice(['disc', 'triangle', 'square', 'board'], p=[0.35, 0.25, 0.2, 0.2]))
        sign = {'shape': shape, 'color': pick(rng, furniture.SIGN_COLORS), 'height': rng.uniform(2.3, 3.0)}
        scene.add(WALK, z, furniture.paint_sign, pose=Pose(curb, z), **sign)
    if street.crossing is not None:
        z, state, height = street.crossing + 3.6, int(rng.integers(3)), rng.uniform(2.9, 3.5)
        scene.add(WALK, z, furniture.paint_traffic_light, pose=Pose(curb, z), state=state, height=height)
    if rng.random() < 0.25:
        railing = {'x': side * (street.half + 0.25), 'height': 1.0, 'color': (176, 180, 186), 'kind': 'rails'}
        for z in np.arange(rng.uniform(8, 14), rng.uniform(20, 36), 4.0).tolist():
            scene.add(CURB, z, furniture.paint_fence, near=z, far=z + 4.0, **railing)


def _add_people(scene: Scene, rng: np.random.Generator, side: int) -> None:
    """Draw people on the sidewalk, alone or in pairs, and parked bicycles and motorcycles."""
    curb = scene.street.half
    low, high = curb + 0.6, scene.street.edge(side) - 0.3
    for z in (7 + 45 * rng.random(rng.integers(1, 7)) ** 1.5).tolist():
        add_person(scene, rng, WALK, side * rng.uniform(low, high), z)
        if rng.random() < 0.3:
            add_person(scene, rng, WALK, side * rng.uniform(low, high), z + rng.uniform(0.2, 0.6))
    for z in rng.uniform(7, 30, rng.integers(0, 4)).tolist():
        pose = Pose(side * (curb + rng.uniform(0.5, 1.0)), z, _oblique(rng))
        if rng.random() < 0.6:
            scene.add(WALK, z, people.paint_bicycle, pose=pose, color=pick(rng, people.CLOTHES))
        else:
            scene.add(WALK, z, people.paint_motorcycle, pose=pose, color=pick(rng, vehicles.CAR_COLORS))


def add_person(scene: Scene, rng: np.random.Generator, layer: int, x: float, z: float) -> None:
    """Draw somebody on foot."""
    body = {'height': rng.uniform(1.45, 1.9), 'step': rng.uniform(-1, 1), 'clothes': people.draw_clothes(rng)}
    scene.add(layer, z, people.paint_person, pose=Pose(x, z, _oblique(rng)), **body)


def _oblique(rng: np.random.Generator) -> float:
    """A heading to the left or the right: flat figures must not be seen edge on."""
    return pick(rng, (-1, 1)) * rng.uniform(0.9, 2.2)

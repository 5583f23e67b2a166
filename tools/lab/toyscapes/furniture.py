"""Street furniture: poles, lights, signs, fences, railings, walls, plants."""

import math

import numpy as np
from PIL import Image

from lab.toyscapes.canvas import Canvas
from lab.toyscapes.classes import Label
from lab.toyscapes.light import Color, mix
from lab.toyscapes.solids import Pose
from lab.toyscapes.textures import CROWN, bricks, colored, crown, density, leafy, level_for

POLE = (92, 96, 102)
OPAQUE = [0] * 128 + [255] * 128
SIGN_COLORS = ((36, 92, 190), (206, 36, 40), (34, 128, 76), (240, 196, 40))


def paint_lamp(canvas: Canvas, pose: Pose, side: int, height: float) -> None:
    """Paint a street lamp whose arm reaches over the road from `side`."""
    _post(canvas, pose, height, 0.13)
    arm = np.array([[pose.x, height - 0.1, pose.z], [pose.x - side * 1.5, height + 0.12, pose.z]])
    tone = canvas.light.color(POLE, pose.z)
    spots = canvas.camera.project(arm)
    canvas.line(spots, tone, 0.08 * canvas.camera.scale(pose.z), Label.POLE)
    head = np.array([[pose.x - side * 1.2, height + 0.02, pose.z], [pose.x - side * 1.9, height + 0.1, pose.z]])
    lit = canvas.light.lamps > 0.25
    glow = canvas.light.color((255, 226, 160) if lit else (150, 152, 158), pose.z * (0.4 if lit else 1))
    canvas.line(canvas.camera.project(head), glow, 0.17 * canvas.camera.scale(pose.z), Label.POLE)


def paint_sign(canvas: Canvas, pose: Pose, shape: str, color: Color, height: float = 2.5) -> None:
    """Paint a sign on a post: 'disc', 'triangle', 'square' or 'board' with lines of text."""
    _post(canvas, pose, height, 0.08)
    if shape == 'board':
        _board(canvas, pose, color, height)
        return
    size, light = canvas.camera.scale(pose.z), canvas.light
    center = canvas.camera.project(np.array([pose.x, height, pose.z]))
    corners = {'disc': 32, 'triangle': 3, 'square': 4}[shape]
    angle = 2 * math.pi * (np.arange(corners) / corners) - math.pi / 2 + (math.pi / 4 if shape == 'square' else 0)
    outline = np.stack([np.cos(angle), np.sin(angle)], -1)
    white = light.color((244, 244, 240), pose.z)
    canvas.polygon(center + 0.46 * size * outline, white, Label.TRAFFIC_SIGN)
    canvas.polygon(center + 0.42 * size * outline, light.color(color, pose.z), Label.TRAFFIC_SIGN)
    canvas.polygon(center + 0.26 * size * outline, white, Label.TRAFFIC_SIGN)
    for offset in (-0.08, 0.0, 0.08):
        bar = center + size * np.array([[-0.13, offset], [0.13, offset]])
        canvas.line(bar, light.color((30, 30, 40), pose.z), 0.035 * size, Label.TRAFFIC_SIGN)


def _board(canvas: Canvas, pose: Pose, color: Color, height: float) -> None:
    size, light = canvas.camera.scale(pose.z), canvas.light
    center = canvas.camera.project(np.array([pose.x, height, pose.z]))
    box = _box(-1.1, -0.6, 1.1, 0.6)
    canvas.polygon(center + size * box, light.color((244, 244, 240), pose.z), Label.TRAFFIC_SIGN)
    canvas.polygon(center + size * box * 0.94, light.color(color, pose.z), Label.TRAFFIC_SIGN)
    ink = light.color((246, 246, 240) if sum(color) < 400 else (30, 30, 36), pose.z)
    for row, top in enumerate((-0.42, -0.1, 0.22)):
        for i in range(9 - row):
            left, tall = -0.9 + 0.2 * i, 0.2 if (i + row) % 3 else 0.14
            canvas.polygon(center + size * _box(left, top + 0.2 - tall, left + 0.055, top + 0.2), ink, None)
            middle = top + 0.08 * ((i + row) % 3)
            canvas.polygon(center + size * _box(left, middle, left + 0.13, middle + 0.045), ink, None)


def paint_traffic_light(canvas: Canvas, pose: Pose, state: int, height: float = 3.0) -> None:
    """Paint a traffic light; `state` 0 is red, 1 yellow, 2 green."""
    _post(canvas, pose, height, 0.12)
    size, light = canvas.camera.scale(pose.z), canvas.light
    center = canvas.camera.project(np.array([pose.x, height, pose.z]))
    for half, tall, color in ((0.29, 0.68, (236, 238, 238)), (0.24, 0.63, (24, 26, 28))):
        plate = center + size * _box(-half, -tall, half, tall)
        canvas.polygon(plate, light.color(color, pose.z), Label.TRAFFIC_LIGHT)
    for i, color in enumerate(((255, 50, 40), (255, 196, 40), (60, 240, 130))):
        shown = light.color(color, pose.z * 0.3) if i == state else light.color(mix(color, (20, 20, 20), 0.78), pose.z)
        canvas.disc(center + size * np.array([0, 0.4 * (i - 1)]), 0.17 * size, shown, Label.TRAFFIC_LIGHT)


def paint_fence(canvas: Canvas, x: float, near: float, far: float, height: float, color: Color, kind: str) -> None:
    """Paint a fence along the street: 'pickets', 'rails' (a railing) or 'mesh'.

    Its label covers what shows through, as in Cityscapes.
    """
    corners = [[x, 0, near], [x, 0, far], [x, height, far], [x, height, near]]
    canvas.polygon(canvas.camera.project(np.array(corners)), None, Label.FENCE)
    spacing = {'pickets': 0.22, 'rails': 0.16, 'mesh': 0.24}[kind]
    width = {'pickets': 0.13, 'rails': 0.05, 'mesh': 0.035}[kind]
    z = np.arange(near, far, spacing)[::-1]
    for lean in (0.0, height) if kind == 'mesh' else (0.0,):
        _bars(canvas, x, z, (0.03, height), lean, width, color)
    for level in (0.25, 0.85) if kind == 'pickets' else (0.06, 0.97):
        _beam(canvas, x, near, far, level * height, 0.09, color)
    if kind != 'pickets':
        _bars(canvas, x, np.arange(near, far, 2.4)[::-1], (0, height * 1.04), 0.0, 0.1, color)


def _bars(
    canvas: Canvas, x: float, z: np.ndarray, span: tuple[float, float], lean: float, width: float, color: Color
) -> None:
    foot = np.stack([np.full_like(z, x), np.full_like(z, span[0]), z], -1)
    head = np.stack([np.full_like(z, x), np.full_like(z, span[1]), z + lean], -1)
    spots = canvas.camera.project(np.stack([foot, head], 1))
    seen = (spots[..., 0].max(1) > 0) & (spots[..., 0].min(1) < canvas.camera.width)
    for bar, depth in zip(spots[seen], z[seen].tolist(), strict=True):
        canvas.line(bar, canvas.light.color(color, depth), width * canvas.camera.scale(depth), None)


def _beam(canvas: Canvas, x: float, near: float, far: float, y: float, width: float, color: Color) -> None:
    corners = [[x, y, near], [x, y, far], [x, y + width, far], [x, y + width, near]]
    canvas.polygon(canvas.camera.project(np.array(corners)), canvas.light.color(color, near, 0.92), None)


def paint_wall(canvas: Canvas, x: float, near: float, far: float, height: float, color: Color) -> None:
    """Paint a wall of big stones along the street."""
    level = level_for(canvas.camera.scale(near + 3))
    size = (max(2, round((far - near) * density(level))), max(2, round(height * density(level))))
    shade = canvas.light.shade(np.array([-math.copysign(1.0, x), 0.0, 0.0]))
    stones = bricks(level, (0.8, 0.36)).crop((0, 0, *size))
    texture = colored(stones, canvas.light.color(color, (near * 2 + far) / 3, shade))
    corners = np.array([[x, height, near], [x, height, far], [x, 0, far], [x, 0, near]])
    canvas.warp(texture, canvas.camera.project(corners), Label.WALL)
    cap = np.array([[x, height, near], [x, height, far], [x, height + 0.14, far], [x, height + 0.14, near]])
    canvas.polygon(canvas.camera.project(cap), canvas.light.color(mix(color, (240, 236, 228), 0.5), near), Label.WALL)


def paint_plant(canvas: Canvas, pose: Pose, kind: str, variant: int, size: float, color: Color) -> None:
    """Paint a tree ('round' or 'conifer', with a trunk) or a 'bush', `size` metres wide."""
    trunk = {'round': 0.42, 'conifer': 0.1, 'bush': -0.02}[kind] * size
    base, scale = canvas.camera.project(np.array([pose.x, 0, pose.z])), canvas.camera.scale(pose.z)
    _blob_shadow(canvas, pose, size * 0.42)
    if kind != 'bush':
        top = base - [0, (trunk + 0.4 * size) * scale]
        canvas.line([base, top], canvas.light.color((92, 70, 54), pose.z), 0.055 * size * scale, Label.VEGETATION)
    side, tall = size * scale, size * scale * (1.7 if kind == 'conifer' else 1.0)
    corner = base - [side / 2, trunk * scale + tall * 0.97]
    # Only what is on the canvas is enlarged: a tree may be many times as large.
    low = np.maximum(np.round(corner), 0)
    high = np.minimum(np.round(corner + np.array([side, tall])), (canvas.camera.width, canvas.camera.height))
    if (high - low < 2).any():
        return
    brightness, mask = crown(kind, variant)
    scaling = np.array([CROWN / side, CROWN / tall])
    part = np.clip([(low - corner) * scaling, (high - corner) * scaling], 0, CROWN).ravel().tolist()
    extent = tuple(int(v) for v in high - low)
    brightness = brightness.resize(extent, Image.BILINEAR, part, reducing_gap=1.0)
    mask = mask.resize(extent, Image.BILINEAR, part, reducing_gap=1.0).point(OPAQUE)
    canvas.stamp(leafy(brightness, color, canvas.light, pose.z), mask, low, Label.VEGETATION)


def _blob_shadow(canvas: Canvas, pose: Pose, radius: float) -> None:
    angle = np.linspace(0, 2 * math.pi, 25)[:-1]
    sun = canvas.light.sun
    x = pose.x - radius * 0.5 * sun[0] + radius * np.cos(angle) * (1 + 0.12 * np.sin(5 * angle))
    z = np.maximum(pose.z - radius * 0.5 * sun[2] + radius * np.sin(angle), 1.0)
    canvas.shadow([canvas.camera.project(np.stack([x, np.zeros(24), z], -1))], 0.85)


def _post(canvas: Canvas, pose: Pose, height: float, width: float) -> None:
    spots = canvas.camera.project(np.array([[pose.x, 0, pose.z], [pose.x, height, pose.z]]))
    canvas.line(spots, canvas.light.color(POLE, pose.z), width * canvas.camera.scale(pose.z), Label.POLE)


def _box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])

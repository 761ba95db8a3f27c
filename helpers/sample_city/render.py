"""From a scene to a picture and its polygons: layers that are painted back to front, then light, haze and a lens.

Every label polygon has integer vertices and is painted like the official tools paint it; what an object draws is
kept inside its own outline, so that picture and label agree to the pixel.
"""
from contextlib import contextmanager
from math import log2

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from helpers.sample_city.camera import HEIGHT, WIDTH, Camera, Random, box_of, hull
from helpers.sample_city.materials import AMPLITUDE, GROUND, MATERIALS, textures


class Canvas:
    """The layers of a frame: colour, depth and material; and the list of label polygons, back to front."""

    def __init__(self, camera: Camera, sun, seed: int):
        self.camera, self.sun, self.random = camera, sun, Random(seed, 77)
        self.rgb = Image.new("RGB", (WIDTH, HEIGHT))
        self.depth = Image.new("L", (WIDTH, HEIGHT), 255)
        self.material = Image.new("L", (WIDTH, HEIGHT))
        self.shade = Image.new("L", (WIDTH, HEIGHT))
        self.layers = (self.rgb, self.depth, self.material)
        self.draws = [ImageDraw.Draw(layer) for layer in self.layers]
        self.polygons: list[dict] = []

    def light(self, normal) -> float:
        """How bright a face with this (unit) normal is: sky light and, if it faces the sun, sunlight."""
        facing = max(0.0, sum(a * b for a, b in zip(normal, self.sun.direction)))
        return 0.62 + 0.15 * normal[1] + 0.75 * self.sun.strength * facing

    def paint(self, polygon, color, depth: float, material: str = "plain", light: float = 1.0) -> None:
        """Fill pixel vertices with a colour, without a label of their own."""
        if len(polygon) < 3:
            return
        color = tuple(min(255, int(c * light)) for c in color)
        values = (color, min(254, int(30 * log2(max(depth, 1.0)))), MATERIALS.index(material))
        for draw, value in zip(self.draws, values):
            draw.polygon(polygon, fill=value)

    def face(self, points, color, material: str = "plain", normal=None) -> None:
        """Fill a polygon given in metres, lit by its normal."""
        depth = sum(p[2] for p in points) / len(points)
        self.paint(self.camera.polygon(points), color, depth, material, self.light(normal) if normal else 1.0)

    def disc(self, center, radius_x: float, radius_y: float, color, material: str = "plain") -> None:
        """An ellipse facing the camera, `center` and radii in metres."""
        (u, v), scale = self.camera.project(center), self.camera.focal / center[2]
        a, b = radius_x * scale, radius_y * scale
        if a < 0.5 or b < 0.5:
            return
        self.draws[0].ellipse((u - a, v - b, u + a, v + b), fill=tuple(map(int, color)))
        self.draws[2].ellipse((u - a, v - b, u + a, v + b), fill=MATERIALS.index(material))

    def label(self, name: str, polygon) -> None:
        """Put a label polygon on top of those so far; one that leaves the picture altogether is dropped."""
        if len(polygon) >= 3 and box_of(polygon, 0):
            self.polygons.append({"label": name, "polygon": [list(p) for p in polygon]})

    @contextmanager
    def outline(self, name: str, polygon):
        """What is painted inside `with` stays inside the polygon, which becomes the label `name`."""
        spread = max(max(axis) - min(axis) for axis in zip(*polygon)) if len(polygon) >= 3 else 0
        box = box_of(polygon, 2 + min(spread // 3, WIDTH)) if spread else None  # with room for what is painted over
        if box is None:
            yield False
            return
        before = [layer.crop(box) for layer in self.layers]
        yield True
        outside = Image.new("L", (box[2] - box[0], box[3] - box[1]), 255)
        ImageDraw.Draw(outside).polygon([(u - box[0], v - box[1]) for u, v in polygon], fill=0)
        for layer, old in zip(self.layers, before):
            layer.paste(old, box[:2], outside)
        self.label(name, polygon)

    def surface(self, name: str, points, color, material: str) -> None:
        """A piece of ground or wall: label and paint from one polygon in metres."""
        polygon = self.camera.polygon(points)
        with self.outline(name, polygon) as seen:
            if seen:
                self.paint(polygon, color, max(1.0, sum(p[2] for p in points) / len(points)), material)

    def shadow(self, footprint, height: float) -> None:
        """The shadow on the ground of something with this footprint [(x, z)]: under it, and cast away from the sun."""
        draw, (sx, sy, sz) = ImageDraw.Draw(self.shade), self.sun.direction
        ground = [(x, 0.0, z) for x, z in footprint]
        draw.polygon(hull(self.camera.polygon(ground)) or [(0, 0)] * 3, fill=150)
        if self.sun.strength > 0.2:
            reach = min(height / max(sy, 0.15), 25.0)
            cast = [(x - sx * reach, 0.0, z - sz * reach) for x, _, z in ground]
            polygon = hull(self.camera.polygon([p for p in ground + cast if p[2] > 2]))
            if len(polygon) > 2:
                draw.polygon(polygon, fill=int(150 * self.sun.strength))


def draw_sky(canvas: Canvas, weather) -> None:
    """A gradient with clouds behind everything, labelled sky."""
    with canvas.outline("sky", [(0, 0), (WIDTH - 1, 0), (WIDTH - 1, HEIGHT - 1), (0, HEIGHT - 1)]):
        top, low = np.array(weather.sky_top, np.float32), np.array(weather.sky_low, np.float32)
        t = np.clip(np.arange(HEIGHT, dtype=np.float32) / canvas.camera.horizon, 0, 1)[:, None, None]
        cloud = Image.fromarray(canvas.random.noise(9, 17)).resize((WIDTH, HEIGHT), Image.BICUBIC)
        sky = top + (low - top) * t + weather.clouds * np.asarray(cloud)[..., None]
        canvas.rgb.paste(Image.fromarray(np.clip(sky, 0, 255).astype(np.uint8)))


def finish(canvas: Canvas, weather) -> np.ndarray:
    """Texture, shadow, haze, exposure, lens and sensor: the layers become a picture, uint8 [H, W, 3]."""
    camera, random = canvas.camera, canvas.random
    picture = np.asarray(canvas.rgb).astype(np.float32)
    material, depth = np.asarray(canvas.material), 2 ** (np.asarray(canvas.depth).astype(np.float32) / 30)
    fine, coarse = textures()
    size = fine.shape[0]
    # Texture in picture coordinates, and for the ground in its own: noise that shrinks with distance.
    v, u = np.arange(HEIGHT), np.arange(WIDTH)
    row_depth = np.minimum(camera.depth_of_row(v), 4000)
    ground_z = (row_depth * 25).astype(np.int64) % size
    ground_x = ((u[None] - camera.center) * (row_depth[:, None] / camera.focal) * 60).astype(np.int64) % size
    on_ground = GROUND[material]
    shift = random.integer(0, size - 1)
    rows, columns = ((v + shift) % size)[:, None], ((u + shift) % size)[None]
    grain = np.where(on_ground, fine[ground_z[:, None], ground_x], fine[rows, columns])
    patch = np.where(on_ground, coarse[ground_z[:, None], ground_x], coarse[rows, columns])
    depth = np.where(on_ground, row_depth[:, None], depth)
    calm = 1 / (1 + depth / 60)  # far away, a pixel averages the grain
    gain = 1 + AMPLITUDE[material, 0] * grain * calm + AMPLITUDE[material, 1] * patch
    shade = np.asarray(canvas.shade.filter(ImageFilter.BoxBlur(2))).astype(np.float32) / 255
    gain *= np.where(on_ground, (1 + 0.3 * canvas.sun.strength) * (1 - 0.75 * shade), 1)
    haze = 1 - np.exp(-depth / weather.visibility)
    haze[material == 0] = 0  # the sky has it already
    picture *= gain[..., None]
    picture += haze[..., None] * (np.array(weather.sky_low, np.float32) * 0.8 - picture)
    # Lens and sensor.
    r2 = ((u[None] - WIDTH / 2) / WIDTH) ** 2 + ((v[:, None] - HEIGHT / 2) / WIDTH) ** 2
    picture *= (weather.exposure * (1 - 0.6 * r2))[..., None] * np.array(weather.tint, np.float32)
    if weather.rain:
        streaks = Image.fromarray(random.noise(HEIGHT // 32, WIDTH)).resize((WIDTH, HEIGHT), Image.BILINEAR)
        picture += weather.rain * 14 * np.maximum(np.asarray(streaks) - 1.5, 0)[..., None]
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(weather.blur))
    noisy = np.asarray(image).astype(np.float32) + weather.noise * random.noise(HEIGHT, WIDTH)[..., None]
    return np.clip(noisy + 0.5, 0, 255).astype(np.uint8)


def render(scene) -> tuple[np.ndarray, list[dict]]:
    """A scene as a picture uint8 [1024, 2048, 3] and its polygons, back to front, as Cityscapes' JSON lists them."""
    canvas = Canvas(scene.camera, scene.sun, scene.seed)
    draw_sky(canvas, scene.weather)
    for thing in scene.ground:
        thing.draw(canvas)
    for thing in scene.objects:
        footprint = thing.footprint()
        if footprint and scene.weather.shadows:
            canvas.shadow(footprint, thing.tall())
    for thing in sorted(scene.objects, key=lambda o: -o.distance()):
        thing.draw(canvas)
    scene.ego.draw(canvas)
    return finish(canvas, scene.weather), canvas.polygons

"""From a scene to a picture and its polygons: layers that are painted back to front, then light,
haze and a lens.

Every label polygon has integer vertices and is painted like the official tools paint it; what an
object draws is kept inside its own outline, so that picture and label agree to the pixel.
"""

from contextlib import contextmanager
from math import log2

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from sample_city.camera import HEIGHT, WIDTH, Camera, Random, box_of, hull
from sample_city.materials import AMPLITUDE, GROUND, MATERIALS, textures


class Canvas:
    """The layers of a frame: color; depth and material; shadow; and the list of label polygons,
    back to front.
    """

    def __init__(self, camera: Camera, sun, seed: int, sky_low=(205, 212, 210)):
        self.camera, self.sun, self.random, self.sky_low = camera, sun, Random(seed, 77), sky_low
        self.rgb = Image.new("RGB", (WIDTH, HEIGHT))
        self.meta = Image.new("RGB", (WIDTH, HEIGHT), (255, 0, 0))  # depth (log), material, nothing
        self.shade = Image.new("L", (WIDTH, HEIGHT))
        self.layers = (self.rgb, self.meta)
        self.draws = [ImageDraw.Draw(layer) for layer in self.layers]
        self.polygons: list[dict] = []

    def light(self, normal) -> float:
        """How bright a face with this (unit) normal is: sky light and, if it faces the sun,
        sunlight.
        """
        facing = max(0.0, sum(a * b for a, b in zip(normal, self.sun.direction)))
        return 0.64 + 0.15 * normal[1] + 0.8 * self.sun.strength * facing

    def _values(self, color, depth: float, material: str, light: float):
        tone = tuple(max(0, min(255, int(c * light))) for c in color)
        return zip(
            self.draws,
            (tone, (min(254, int(30 * log2(max(depth, 1.0)))), MATERIALS.index(material), 0)),
        )

    def paint(
        self, polygon, color, depth: float, material: str = "plain", light: float = 1.0
    ) -> None:
        """Fill pixel vertices with a color, without a label of their own."""
        if len(polygon) < 3:
            return
        for draw, value in self._values(color, depth, material, light):
            draw.polygon(polygon, fill=value)

    def stroke(
        self, pixels, width: float, color, depth: float, material: str = "plain", light: float = 1.0
    ) -> None:
        """A line through pixels, `width` pixels wide."""
        if len(pixels) > 1:
            for draw, value in self._values(color, depth, material, light):
                draw.line(
                    pixels,
                    fill=value,
                    width=max(1, int(width + 0.5)),
                    joint="curve" if width > 4 else None,
                )

    def ellipse(
        self, box, color, depth: float, material: str = "plain", light: float = 1.0
    ) -> None:
        for draw, value in self._values(color, depth, material, light):
            draw.ellipse(box, fill=value)

    def face(self, points, color, material: str = "plain", normal=None) -> None:
        """Fill a polygon given in meters, lit by its normal."""
        depth = sum(p[2] for p in points) / len(points)
        self.paint(
            self.camera.polygon(points),
            color,
            depth,
            material,
            self.light(normal) if normal else 1.0,
        )

    def line(self, points, width: float, color, material: str = "plain") -> None:
        """A line through points in space, `width` meters wide."""
        if all(p[2] > 1.6 for p in points):
            pixels, depth = [tuple(map(int, self.camera.project(p))) for p in points], points[0][2]
            self.stroke(pixels, width * self.camera.focal / depth, color, depth, material)

    def label(self, name: str, polygon) -> None:
        """Put a label polygon on top of those so far; one that leaves the picture altogether is
        dropped.
        """
        if len(polygon) >= 3 and box_of(polygon, 0):
            self.polygons.append({"label": name, "polygon": [list(p) for p in polygon]})

    @contextmanager
    def outline(self, name: str, polygon):
        """What is painted inside `with` stays in the polygon, which becomes the label `name`."""
        spread = max(max(axis) - min(axis) for axis in zip(*polygon)) if len(polygon) >= 3 else 0
        # With room for what is painted over
        box = box_of(polygon, 4 + min(spread // 4, WIDTH)) if spread else None
        if box is None:
            yield False
            return
        before = [layer.crop(box) for layer in self.layers]
        yield True
        outside = Image.new("1", (box[2] - box[0], box[3] - box[1]), 1)
        ImageDraw.Draw(outside).polygon([(u - box[0], v - box[1]) for u, v in polygon], fill=0)
        for layer, old in zip(self.layers, before):
            layer.paste(old, box[:2], outside)
        self.label(name, polygon)

    def surface(self, name: str, points, color, material: str) -> None:
        """A piece of ground or wall from one polygon in meters, with its label; without a name it
        is paint.
        """
        polygon = self.camera.polygon(points)
        self.paint(polygon, color, max(1.0, sum(p[2] for p in points) / len(points)), material)
        if name:
            self.label(name, polygon)

    def shadow(self, footprint, height: float) -> None:
        """The shadow on the ground of something with this footprint [(x, z)]: under it, and cast
        away from the sun.
        """
        draw, (sx, sy, sz) = ImageDraw.Draw(self.shade), self.sun.direction
        ground = [(x, 0.0, z) for x, z in footprint]
        draw.polygon(hull(self.camera.polygon(ground)) or [(0, 0)] * 3, fill=205)
        if self.sun.strength > 0.2:
            reach = min(height / max(sy, 0.15), 25.0)
            cast = [(x - sx * reach, 0.0, z - sz * reach) for x, _, z in ground]
            polygon = hull(self.camera.polygon([p for p in ground + cast if p[2] > 2]))
            if len(polygon) > 2:
                draw.polygon(polygon, fill=int(160 * self.sun.strength))


def draw_sky(canvas: Canvas, weather) -> None:
    """A gradient with clouds behind everything, labeled sky."""
    with canvas.outline("sky", [(0, 0), (WIDTH - 1, 0), (WIDTH - 1, HEIGHT - 1), (0, HEIGHT - 1)]):
        top, low = np.array(weather.sky_top, np.float32), np.array(weather.sky_low, np.float32)
        t = np.clip(np.arange(512, dtype=np.float32) / (canvas.camera.horizon / 2), 0, 1)[
            :, None, None
        ]
        cloud = sum(
            np.asarray(
                Image.fromarray(canvas.random.noise(*cells)).resize((1024, 512), Image.BICUBIC)
            )
            * k
            for cells, k in (((7, 9), 1.0), ((17, 25), 0.6), ((40, 50), 0.35))
        )
        sky = top + (low - top) * t + weather.clouds * cloud[..., None]
        canvas.rgb.paste(
            Image.fromarray(np.clip(sky, 0, 255).astype(np.uint8)).resize(
                (WIDTH, HEIGHT), Image.BILINEAR
            )
        )


def finish(canvas: Canvas, weather) -> np.ndarray:
    """Texture, shadow, haze, exposure, lens and sensor: the layers become a picture, uint8 [H, W,
    3].
    """
    camera, random = canvas.camera, canvas.random
    picture, meta = np.asarray(canvas.rgb).astype(np.float32), np.asarray(canvas.meta)
    material, depth = meta[..., 1], (2 ** (np.arange(256, dtype=np.float32) / 30))[meta[..., 0]]
    fine, coarse = textures()
    size = fine.shape[0]
    # Texture in picture coordinates, and for the ground in its own: noise that shrinks with
    # distance.
    v, u = np.arange(HEIGHT), np.arange(WIDTH)
    shift, first = random.integer(0, size - 1), max(0, int(camera.horizon))
    tiled = [
        np.tile(np.roll(t, shift, (0, 1)), (HEIGHT // size, WIDTH // size)) for t in (fine, coarse)
    ]
    row_depth = np.minimum(camera.depth_of_row(v[first:]), 4000)
    ground_z = (row_depth * 25).astype(np.int64) % size
    ground_x = ((u[None] - camera.center) * (row_depth[:, None] / camera.focal) * 60).astype(
        np.int64
    ) % size
    on_ground = GROUND[material]
    flat = on_ground[first:]
    for texture, plane in zip((fine, coarse), tiled):
        np.copyto(plane[first:], texture[ground_z[:, None], ground_x], where=flat)
    np.copyto(depth[first:], row_depth[:, None], where=flat)
    # Far away, a pixel averages the grain
    gain = 1 + AMPLITUDE[:, 0][material] * tiled[0] / (1 + depth / 60)
    gain += AMPLITUDE[:, 1][material] * tiled[1]
    shade = np.asarray(canvas.shade.filter(ImageFilter.BoxBlur(3)))
    lit = ((1 + 0.42 * canvas.sun.strength) * (1 - 0.75 * np.arange(256, dtype=np.float32) / 255))[
        shade
    ]
    np.multiply(gain, lit, out=gain, where=on_ground)
    if weather.wet:  # a wet road mirrors, darker, what stands behind it
        rows = np.clip((2 * camera.horizon - v[first:]).astype(int), 8, HEIGHT - 1)
        mirror = np.asarray(
            canvas.rgb.resize((WIDTH // 8, HEIGHT)).filter(ImageFilter.GaussianBlur(3))
        )[rows]
        mirror = np.asarray(Image.fromarray(mirror).resize((WIDTH, HEIGHT - first), Image.BILINEAR))
        share = (
            weather.wet
            * 0.45
            * np.clip(1 + 0.35 * tiled[1][first:], 0, 1.5)[..., None]
            * flat[..., None]
        )
        picture[first:] += share * (0.9 * mirror - picture[first:])
    air = np.exp(-depth / weather.visibility)
    sky = material == 0
    np.copyto(air, 1, where=sky)  # it has the haze already
    # Lens and sensor: vignetting, exposure, the color of the lens, contrast, blur, noise.
    r2 = ((u[None] - WIDTH / 2) / WIDTH) ** 2 + ((v[:, None] - HEIGHT / 2) / WIDTH) ** 2
    bright = (weather.exposure * (1 - 0.6 * r2)).astype(np.float32)
    np.multiply(gain, 1.3, out=gain, where=sky)
    gain *= air * bright
    veil, tint = (1 - air) * bright, np.array(weather.tint, np.float32)
    streaks = 0
    if weather.rain:
        drops = Image.fromarray(random.noise(HEIGHT // 32, WIDTH)).resize(
            (WIDTH, HEIGHT), Image.BILINEAR
        )
        streaks = weather.rain * 14 * np.maximum(np.asarray(drops) - 1.5, 0)
    noise = weather.noise * random.noise(HEIGHT, WIDTH) + streaks + weather.lift
    planes = []
    for k in range(3):
        plane = (picture[..., k] * gain + veil * (weather.sky_low[k] * 0.85)) * tint[k]
        plane = Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8))
        blurred = plane.filter(ImageFilter.BoxBlur(1.2 * weather.blur))
        planes.append(np.clip(np.asarray(blurred) + noise, 0, 255).astype(np.uint8))
    return np.stack(planes, -1)


def paint_scene(scene) -> Canvas:
    """All layers of a scene, without texture, light and lens."""
    canvas = Canvas(scene.camera, scene.sun, scene.seed, scene.weather.sky_low)
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
    return canvas


def render(scene) -> tuple[np.ndarray, list[dict]]:
    """A scene as a picture uint8 [1024, 2048, 3] and its polygons, back to front, as Cityscapes'
    JSON lists them.
    """
    canvas = paint_scene(scene)
    return finish(canvas, scene.weather), canvas.polygons

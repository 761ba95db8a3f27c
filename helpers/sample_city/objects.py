"""Everything that stands on the street and is neither a vehicle, a person nor a house: trees, poles, barriers, ground.

Each is a small dataclass: where it is (x to the right, z ahead, in metres) and what it looks like. Change one field
with `dataclasses.replace`, render again, and nothing else moves. A new kind of object is one short class with `draw`.
"""
from dataclasses import dataclass, field
from math import cos, floor, pi, sin

from helpers.sample_city.camera import NEAR, Random, hull


def mixed(p, q, t: float) -> tuple:
    """The point (or colour) at share t of the way from p to q."""
    return tuple(a + t * (b - a) for a, b in zip(p, q))


def scaled(color, factor: float) -> tuple:
    """A colour made darker or brighter."""
    return tuple(max(0, min(255, int(c * factor))) for c in color)


@dataclass(frozen=True)
class Thing:
    """Base of all: position on the ground, and a seed of its own for details."""

    x: float = 0.0
    z: float = 20.0
    seed: int = 0

    def distance(self) -> float:
        """What decides the painting order: far things first."""
        return self.z

    def footprint(self):
        """Corners (x, z) on the ground, for the shadow; None for none."""
        return None

    def around(self, a: float, b: float):
        """A rectangle of half width a and half depth b on the ground."""
        return [(self.x + i * a, self.z + j * b) for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]

    def tall(self) -> float:
        return 1.5

    def random(self) -> Random:
        return Random(self.seed, 5)


class Pen:
    """Draws in the plane through a thing that faces the camera: (sideways, up) in metres, or in shares of `size`.

    `stretch` squeezes the sideways axis (a cycle seen nearly from behind) and turns it round if it is negative.
    """

    def __init__(self, canvas, thing, stretch: float = 1.0, size: float = 1.0):
        self.canvas, self.z, self.stretch = canvas, thing.z, stretch
        self.scale = canvas.camera.focal / max(thing.z, NEAR) * size
        self.u, self.v = canvas.camera.project((thing.x, 0.0, max(thing.z, NEAR)))
        self.light = canvas.light((0, 0, -1))
        self.sunny = canvas.sun.direction[0] * stretch  # positive: the sun is where sideways is positive

    def polygon(self, points) -> list[tuple[int, int]]:
        if self.z < NEAR:
            return []
        k = self.scale * self.stretch
        return [(floor(self.u + a * k + 0.5), floor(self.v - b * self.scale + 0.5)) for a, b in points]

    def fill(self, points, color, material: str = "plain") -> None:
        self.canvas.paint(self.polygon(points), color, self.z, material, self.light)

    def tube(self, points, width: float, color, material: str = "plain") -> None:
        """A line of this width through the points."""
        self.canvas.stroke(self.polygon(points), width * self.scale, color, self.z, material, self.light)

    def disc(self, center, radius: float, color, material: str = "plain") -> None:
        self.oval(center, radius * abs(self.stretch), radius, color, material)

    def oval(self, center, a: float, b: float, color, material: str = "plain") -> None:
        [(u, v)] = self.polygon([center]) or [(-9999, -9999)]
        a, b = max(1, int(a * self.scale)), max(1, int(b * self.scale))
        self.canvas.ellipse((u - a, v - b, u + a, v + b), color, self.z, material, self.light)


@dataclass(frozen=True)
class Tree(Thing):
    """A trunk and a crown of leaf clumps, both vegetation; a bush has no trunk."""

    height: float = 7.0
    crown: float = 2.4
    color: tuple = (80, 95, 50)
    trunk: float = 2.3
    bare: float = 0.3  # how much sky shows through

    def footprint(self):
        return self.around(0.55 * self.crown, 0.55 * self.crown)

    def tall(self):
        return self.height

    def clumps(self, random):
        """(sideways, up, radius) of the clumps that make up the crown."""
        middle, half = (self.height + self.trunk) / 2, (self.height - self.trunk) / 2
        found = [(0.0, middle, 0.62 * min(self.crown, half))]
        for _ in range(11):
            a, r = random.uniform(0, 2 * pi), random.uniform(0.3, 0.68)
            size = random.uniform(0.28, 0.5) * min(self.crown, half)
            found.append((self.crown * r * cos(a), middle + half * r * sin(a), size))
        return middle, half, found

    def draw(self, canvas):
        random, pen = self.random(), Pen(canvas, self)
        if self.trunk > 0.3:
            w = 0.1 + self.height * 0.011
            stem = [(-w * 1.3, 0), (-w, 0.5), (-w * 0.8, self.trunk + 1), (w * 0.8, self.trunk + 1), (w, 0.5), (w * 1.3, 0)]
            with canvas.outline("vegetation", pen.polygon(stem)) as seen:
                if seen:
                    pen.fill(stem, (70, 62, 54), "bark")
                    dark = -w if pen.sunny > 0 else w * 0.3
                    pen.fill([(dark, 0), (dark, self.trunk + 1), (dark + w, self.trunk + 1), (dark + w, 0)], (50, 45, 40), "bark")
        middle, half, clumps = self.clumps(random)
        edge, count = [], 44
        for k in range(count):  # how far the clumps reach in each direction
            c, s, reach = cos(k * 2 * pi / count), sin(k * 2 * pi / count), 0.3 * self.crown
            for x, y, size in clumps:
                along, off = x * c + (y - middle) * s, x * s - (y - middle) * c
                if abs(off) < size:
                    reach = max(reach, along + (size * size - off * off) ** 0.5)
            reach *= random.uniform(0.9, 1.07)
            edge.append((reach * c, max(0.0, middle + reach * s)))
        with canvas.outline("vegetation", pen.polygon(edge)) as seen:
            if not seen:
                return
            pen.fill(edge, scaled(self.color, 0.62), "leaves")
            near = self.z < 45
            sx, sy = canvas.sun.direction[0] * canvas.sun.strength, 0.35 + 0.4 * canvas.sun.direction[1]
            tufts = []
            for x, y, size in clumps:
                for _ in range(16 if near else 5):
                    a, r = random.uniform(0, 2 * pi), random.uniform(0, 1) ** 0.5
                    dx, dy = r * cos(a), r * sin(a)
                    lift = sy * (0.55 * dy + 0.6 * (y - middle) / half) + 0.5 * sx * (0.6 * dx + 0.5 * x / self.crown)
                    tufts.append((lift, x + size * dx, y + size * dy, size * random.uniform(0.14, 0.34)))
            for lift, x, y, size in sorted(t for t in tufts if t[2] > 0):
                color = scaled(self.color, 0.88 + 0.62 * lift + random.uniform(-0.1, 0.1))
                turn = random.uniform(0, 2)
                pen.fill([(x + size * random.uniform(0.55, 1.2) * cos(turn + k), y + 0.8 * size * random.uniform(0.55, 1.2) * sin(turn + k))
                          for k in (0, 1, 2, 3, 4.2, 5.2)], color, "leaves")
            for _ in range(int(70 * self.bare) if near else 0):  # gaps with the sky in them
                a, r, size = random.uniform(0, 2 * pi), random.uniform(0.6, 0.97), random.uniform(0.012, 0.035) * self.crown
                x, y = self.crown * r * cos(a), middle + half * r * sin(a)
                points = pen.polygon([(x + size * random.uniform(0.3, 1.6) * cos(k), y + size * random.uniform(0.3, 1.6) * sin(k)) for k in range(6)])
                canvas.paint(points, scaled(canvas.sky_low, 0.62), 300.0)


@dataclass(frozen=True)
class Pole(Thing):
    """A pole, with what hangs on it: "lamp", "sign", "light" (a traffic light), "wires" (over a tram) or nothing."""

    height: float = 6.0
    radius: float = 0.07
    carries: str = ""
    color: tuple = (110, 112, 112)
    label: str = "pole"
    arm: float = 0.0  # metres to the right that a mast reaches out

    def tall(self):
        return self.height

    def footprint(self):
        return self.around(self.radius, self.radius)

    def draw(self, canvas):
        r, h, pen = self.radius, self.height, Pen(canvas, self)
        foot = [(-1.7 * r, 0), (-1.7 * r, 0.8), (-r, 0.9), (-r, h), (r, h), (r, 0.9), (1.7 * r, 0.8), (1.7 * r, 0)]
        lit = [(0.1 * r, 0), (0.1 * r, h), (r, h), (r, 0)] if pen.sunny < 0 else [(-1.5 * r, 0), (-1.5 * r, h), (-0.1 * r, h), (-0.1 * r, 0)]
        self._part(canvas, pen, self.label, foot if h > 4 else foot[3:5] + [(r, 0), (-r, 0)], self.color, "metal", [(lit, scaled(self.color, 0.65))])
        if self.carries == "lamp":
            arm = 1.6 if self.x < 0 else -1.6
            self._part(canvas, pen, "pole", [(0, h - 0.1), (arm * 0.6, h + 0.2), (arm, h + 0.22), (arm, h + 0.34), (arm * 0.6, h + 0.36), (0, h + 0.05)],
                       self.color, "metal")
        elif self.arm:
            self._part(canvas, pen, "pole", [(0, h - 0.2), (self.arm, h - 0.05), (self.arm, h + 0.06), (0, h)], self.color, "metal")
        if self.carries == "sign":
            self._sign(canvas, pen)
        if self.carries == "light":
            self._light(canvas, pen, 0.0, (2.55 if self.arm else h - 0.5), 1.0)
            if self.arm:
                self._light(canvas, pen, self.arm, h - 0.5, 1.0)

    def _part(self, canvas, pen, label, points, color, material, inside=()):
        with canvas.outline(label, pen.polygon(points)) as seen:
            if seen:
                pen.fill(points, color, material)
                for shape, tone in inside:
                    pen.fill(shape, tone)

    def _sign(self, canvas, pen):
        random, top = self.random(), self.height - 0.45
        kind, size = random.integer(0, 4), random.uniform(0.33, 0.44)
        turn = {0: 0.0, 1: pi / 2 if random.chance(0.5) else -pi / 2, 2: pi / 4, 3: 0.0, 4: pi / 8}[kind]
        corners = {0: 20, 1: 3, 2: 4, 3: 4, 4: 8}[kind]
        wide = random.uniform(1.0, 1.7)

        def shape(scale):
            if kind == 3:
                return [(a * wide * size * scale, top + b * 0.4 * scale) for a, b in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
            return [(size * scale * cos(turn + k * 2 * pi / corners), top + size * scale * sin(turn + k * 2 * pi / corners))
                    for k in range(corners)]

        if random.chance(0.15):  # from behind
            return self._part(canvas, pen, "traffic sign", shape(1.0), (118, 120, 120), "metal", [(shape(0.9), (104, 106, 106))])
        rim, middle = random.choice([((150, 32, 34), (205, 206, 202)), ((40, 66, 124), (40, 66, 124)), ((205, 206, 202), (196, 160, 62)),
                                     ((190, 154, 60), (190, 154, 60)), ((36, 82, 66), (36, 82, 66)), ((205, 206, 202), (44, 70, 126))])
        ink = (212, 213, 208) if sum(middle) < 300 else (40, 40, 42)
        marks = [[(a - w, top - h), (a - w, top + h), (a + w, top + h), (a + w, top - h)] for a, w, h in random.choice(
            [((0, 0.45 * size, 0.07),), ((0, 0.08 * size, 0.45 * size),), ((-0.18 * size, 0.1 * size, 0.4 * size), (0.2 * size, 0.1 * size, 0.2 * size)),
             ((0, 0.4 * size, 0.04), (0, 0.1 * size, 0.3 * size))])]
        self._part(canvas, pen, "traffic sign", shape(1.0), rim, "plain", [(shape(0.8), middle), *((m, ink) for m in marks)])

    def _light(self, canvas, pen, x, y, scale):
        w, h = 0.17 * scale, 0.52 * scale
        lit, lamps = self.random().integer(0, 2), []
        for k, color in enumerate([(235, 60, 50), (235, 175, 70), (80, 220, 150)]):
            center = y + h * (0.62 - 0.62 * k)
            lamps.append(([(x + 0.11 * scale * cos(a * pi / 5), center + 0.11 * scale * sin(a * pi / 5)) for a in range(10)],
                          color if k == lit else scaled(color, 0.22)))
        shell = [(x - w, y - h), (x - w, y + h), (x + w, y + h), (x + w, y - h)]
        self._part(canvas, pen, "traffic light", shell, (30, 33, 32), "plain", lamps)


@dataclass(frozen=True)
class Barrier(Thing):
    """A long low thing along the road: fence, wall, guard rail, hedge; or across it, from x to x + length."""

    label: str = "fence"
    length: float = 12.0
    height: float = 1.2
    color: tuple = (120, 120, 120)
    across: bool = False
    stripes: bool = False  # red and white boards around a construction site

    def ends(self):
        return (self.x, self.z), ((self.x + self.length, self.z) if self.across else (self.x, self.z + self.length))

    def distance(self):
        return self.z + (0.0 if self.across else self.length * 0.5 + 20)  # beside the road: behind what is on it

    def footprint(self):
        (x0, z0), (x1, z1) = self.ends()
        return [(x0, z0), (x1 + 0.15, z0), (x1 + 0.15, z1 + 0.15), (x0, z1)]

    def tall(self):
        return self.height

    def draw(self, canvas):
        (x0, z0), (x1, z1) = self.ends()
        normal, random = (0, 0, -1) if self.across else (1.0 if self.x < 0 else -1.0, 0, 0), self.random()

        def quad(t0, t1, y0, y1):
            a, b = ([x0 + t * (x1 - x0), z0 + t * (z1 - z0)] for t in (t0, t1))
            return [(a[0], y0 * self.height, a[1]), (a[0], y1 * self.height, a[1]), (b[0], y1 * self.height, b[1]), (b[0], y0 * self.height, b[1])]

        low = 0.45 if self.label == "guard rail" else 0.0
        polygon = canvas.camera.polygon(quad(0, 1, low, 1))
        with canvas.outline(self.label, polygon) as seen:
            if not seen:
                return
            material = {"vegetation": "leaves", "wall": "stone"}.get(self.label, "metal")
            if self.label == "fence":
                self._fence(canvas, quad, normal)
                return
            canvas.face(quad(0, 1, low, 1), self.color, material, normal)
            count = int(self.length / 0.5)
            if self.label == "wall":
                for k in range(0, count * 3):  # single stones
                    row, t = random.integer(0, 5), random.uniform(0, 1)
                    canvas.face(quad(t, min(1, t + 0.5 / self.length), row / 6, (row + 0.9) / 6), scaled(self.color, random.uniform(0.82, 1.12)), material, normal)
                canvas.face(quad(0, 1, 0.93, 1), scaled(self.color, 1.2), "plaster", normal)
                canvas.face(quad(0, 1, 0, 0.1), scaled(self.color, 0.7), "plaster", normal)
            elif self.label == "vegetation":
                for k in range(count * 6):
                    t, y, d = random.uniform(0, 1), random.uniform(0, 0.95), random.uniform(0.05, 0.2)
                    canvas.face(quad(t, min(1, t + d / self.length * 2), y, min(1, y + d)), scaled(self.color, 0.7 + 0.5 * y + random.uniform(-0.15, 0.15)), material, normal)
            else:
                canvas.face(quad(0, 1, 0.62, 0.7), scaled(self.color, 0.6), material, normal)

    def _fence(self, canvas, quad, normal):
        """Bars, a mesh or boards; between them shows what is behind."""
        style = self.seed % 3
        if self.stripes:
            count = max(4, int(self.length / 0.4))
            for k in range(count):
                canvas.face(quad(k / count, (k + 1) / count, 0.55, 1), ((168, 48, 44), (205, 206, 202))[k % 2], "paint", normal)
            canvas.face(quad(0, 1, 0.1, 0.25), (168, 48, 44), "paint", normal)
        elif style == 0:  # boards
            canvas.face(quad(0, 1, 0, 1), scaled(self.color, 0.5), "bark", normal)
            count = max(4, int(self.length / 0.17))
            for k in range(count):
                canvas.face(quad((k + 0.1) / count, (k + 0.9) / count, 0.03, 0.97), scaled(self.color, 0.9 + 0.04 * (k * 7 % 5)), "bark", normal)
        count, bar = max(4, int(self.length / (0.16 if style == 1 else 2.2))), 0.035 if style == 1 else 0.07
        for k in range(count + 1):
            t = min(k / count, 1 - bar / self.length)
            canvas.face(quad(t, t + bar / self.length, 0, 1), self.color, "metal", normal)
        for y in (0.1, 0.9) if style == 1 else [k / 8 for k in range(9)] if style == 2 else ():
            canvas.face(quad(0, 1, y, y + (0.05 if style == 1 else 0.025)), self.color, "metal", normal)


@dataclass(frozen=True)
class Slab(Thing):
    """A box without a class of its own that is scored: bin, bench, box, cone (static, dynamic), or a bridge overhead."""

    label: str = "static"
    width: float = 0.6
    low: float = 0.0
    high: float = 1.1
    color: tuple = (90, 90, 85)
    taper: float = 0.0  # how much narrower it is at the top

    def footprint(self):
        return None if self.low > 0 else self.around(self.width / 2, 0.3)

    def tall(self):
        return self.high

    def draw(self, canvas):
        pen, w, t = Pen(canvas, self), self.width / 2, self.taper * self.width / 2
        shape = [(-w, self.low), (-w + t, self.high), (w - t, self.high), (w, self.low)]
        with canvas.outline(self.label, pen.polygon(shape)) as seen:
            if seen:
                pen.fill(shape, self.color, "plaster")
                for a, b, k in ((0.86, 1.0, 1.2), (0.5, 0.62, 0.8 if not self.taper else 1.8), (0.0, 0.1, 0.7)):
                    y0, y1 = (self.low + c * (self.high - self.low) for c in (a, b))
                    pen.fill([(-w, y0), (-w, y1), (w, y1), (w, y0)], scaled(self.color, k), "plaster")


@dataclass(frozen=True)
class Strip(Thing):
    """A piece of ground that follows the road: from `left` to `right` of its axis, z to z + length."""

    label: str = "road"
    left: float = -5.0
    right: float = 5.0
    length: float = 150.0
    curve: float = 0.0  # the axis lies at x = curve * z * z
    color: tuple = (90, 90, 92)
    material: str = "asphalt"
    painted: bool = False  # a marking: paint without a label

    def draw(self, canvas):
        count = 16 if self.length > 8 else 3
        steps = [self.z + self.length * (k / count) ** 2 for k in range(count + 1)]
        left = [(self.left + self.curve * z * z, 0.0, z) for z in steps]
        right = [(self.right + self.curve * z * z, 0.0, z) for z in reversed(steps)]
        if self.painted:
            canvas.paint(canvas.camera.polygon(left + right), self.color, self.z, self.material)
        else:
            canvas.surface(self.label, left + right, self.color, self.material)


@dataclass(frozen=True)
class Wire(Thing):
    """A wire of the tram in the air: paint without a label, as Cityscapes leaves it out."""

    height: float = 5.6
    length: float = 100.0
    curve: float = 0.0

    def distance(self):
        return self.z + 0.5

    def draw(self, canvas):
        for k in range(12):
            z0, z1 = (self.z + self.length * (i / 12) ** 2 for i in (k, k + 1))
            canvas.line([(self.x + self.curve * z * z, self.height, z) for z in (z0, z1)], 0.02, (42, 43, 44))


@dataclass(frozen=True)
class Ego(Thing):
    """The bonnet of the recording car, and the borders that rectification leaves: all void."""

    rise: int = 60
    border: int = 6
    color: tuple = (30, 32, 34)
    reflections: tuple = field(default=((0.3, 44), (0.55, 36), (0.72, 40)))

    def draw(self, canvas):
        hood = [(0, 1023), (0, 1010 - self.rise // 4), (180, 1003 - self.rise * 3 // 4), (420, 994 - self.rise), (1024, 985 - self.rise),
                (1640, 994 - self.rise), (1860, 1003 - self.rise * 3 // 4), (2047, 1010 - self.rise // 4), (2047, 1023)]
        with canvas.outline("ego vehicle", hood):
            canvas.paint(hood, self.color, 2.0, "paint")
            canvas.paint([(420, 994 - self.rise), (1024, 985 - self.rise), (1640, 994 - self.rise), (1640, 1001 - self.rise), (1024, 992 - self.rise),
                          (420, 1001 - self.rise)], scaled(self.color, 1.8), 2.0, "paint")
            for t, tone in self.reflections:
                u = int(2048 * t)
                canvas.paint([(u - 90, 1023), (u + 60, 995 - self.rise), (u + 110, 995 - self.rise), (u + 60, 1023)], (tone, tone, tone + 2), 2.0, "glass")
        b = self.border
        for name, polygon in (("rectification border", [(0, 0), (b, 0), (b - 3, 1023), (0, 1023)]),
                              ("rectification border", [(2047, 0), (2047 - b, 0), (2050 - b, 1023), (2047, 1023)]),
                              ("out of roi", [(0, 0), (2047, 0), (2047, 4), (0, 4)])):
            with canvas.outline(name, polygon):
                canvas.paint(polygon, (0, 0, 0), 2.0)

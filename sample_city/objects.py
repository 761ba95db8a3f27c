"""What stands on the street and is neither vehicle, person nor house: trees, poles, barriers; and
the ground itself.

Each is a small dataclass: where it is (x to the right, z ahead, in meters) and what it looks like.
Change one field with `dataclasses.replace`, render again, and nothing else moves. A new kind of
object is one short class with `draw`.
"""

from dataclasses import dataclass
from math import cos, pi, sin

from sample_city.thing import Pen, Thing, rect, round_, scaled


@dataclass(frozen=True)
class Tree(Thing):
    """A trunk and a crown of leaf clumps, both vegetation; with a trunk below 0 it is a bush."""

    height: float = 7.0
    crown: float = 2.4
    color: tuple = (80, 95, 50)
    trunk: float = 2.3
    bare: float = 0.3  # how much sky shows through

    def footprint(self):
        return self.around(0.55 * self.crown, 0.55 * self.crown)

    def draw(self, canvas):
        random, pen, crown = self.random(), Pen(canvas, self), self.crown
        middle, half = (self.height + self.trunk) / 2, (self.height - self.trunk) / 2
        if self.trunk > 0.3:
            w, up = 0.1 + self.height * 0.011, self.trunk + 1
            stem = [(-w * 1.3, 0), (-w, 0.5), (-w * 0.8, up), (w * 0.8, up), (w, 0.5), (w * 1.3, 0)]
            dark = -w if pen.sunny > 0 else w * 0.3
            with canvas.outline("vegetation", pen.polygon(stem)) as seen:
                if seen:
                    pen.fill(stem, (70, 62, 54), "bark")
                    pen.fill(rect(dark, 0, dark + w, up), (50, 45, 40), "bark")
        clumps = [(0.0, middle, 0.62 * min(crown, half))]  # (sideways, up, radius)
        for _ in range(11):
            a, r = random.uniform(0, 2 * pi), random.uniform(0.3, 0.68)
            size = random.uniform(0.28, 0.5) * min(crown, half)
            clumps.append((crown * r * cos(a), middle + half * r * sin(a), size))
        edge, count = [], 44
        for k in range(count):  # how far the clumps reach in each direction
            c, s, reach = cos(k * 2 * pi / count), sin(k * 2 * pi / count), 0.3 * crown
            for x, y, size in clumps:
                along, off = x * c + (y - middle) * s, x * s - (y - middle) * c
                if abs(off) < size:
                    reach = max(reach, along + (size * size - off * off) ** 0.5)
            reach *= random.uniform(0.9, 1.07)
            edge.append((reach * c, max(0.0, middle + reach * s)))
        with canvas.outline("vegetation", pen.polygon(edge)) as seen:
            if seen:
                pen.fill(edge, scaled(self.color, 0.62), "leaves")
                self._leaves(canvas, random, pen, clumps, middle, half)

    def _leaves(self, canvas, random, pen, clumps, middle, half):
        """Tufts, the dark ones first, brighter towards the sun; and gaps with the sky in them."""
        near, tufts = self.z < 45, []
        sx, sy = canvas.sun.direction[0] * canvas.sun.strength, 0.35 + 0.4 * canvas.sun.direction[1]
        for x, y, size in clumps:
            for _ in range(16 if near else 5):
                a, r = random.uniform(0, 2 * pi), random.uniform(0, 1) ** 0.5
                dx, dy = r * cos(a), r * sin(a)
                lift = sy * (0.55 * dy + 0.6 * (y - middle) / half) + 0.5 * sx * (
                    0.6 * dx + 0.5 * x / self.crown
                )
                tufts.append(
                    (lift, x + size * dx, y + size * dy, size * random.uniform(0.14, 0.34))
                )
        for lift, x, y, size in sorted(t for t in tufts if t[2] > 0):
            color = scaled(self.color, 0.88 + 0.62 * lift + random.uniform(-0.1, 0.1))
            turn = random.uniform(0, 2)
            tuft = [
                (
                    x + size * random.uniform(0.55, 1.2) * cos(turn + k),
                    y + 0.8 * size * random.uniform(0.55, 1.2) * sin(turn + k),
                )
                for k in (0, 1, 2, 3, 4.2, 5.2)
            ]
            pen.fill(tuft, color, "leaves")
        for _ in range(int(70 * self.bare) if near else 0):
            a = random.uniform(0, 2 * pi)
            r = random.uniform(0.6, 0.97)
            size = random.uniform(0.012, 0.035) * self.crown
            x, y = self.crown * r * cos(a), middle + half * r * sin(a)
            gap = [
                (
                    x + size * random.uniform(0.3, 1.6) * cos(k),
                    y + size * random.uniform(0.3, 1.6) * sin(k),
                )
                for k in range(6)
            ]
            canvas.paint(pen.polygon(gap), scaled(canvas.sky_low, 0.62), 300.0)


# rim and middle of a traffic sign; what is drawn on it: (middle, half width, half height) in shares
# of its size
SIGNS = [
    ((150, 32, 34), (205, 206, 202)),
    ((40, 66, 124), (40, 66, 124)),
    ((205, 206, 202), (196, 160, 62)),
    ((190, 154, 60), (190, 154, 60)),
    ((36, 82, 66), (36, 82, 66)),
    ((205, 206, 202), (44, 70, 126)),
]


@dataclass(frozen=True)
class Pole(Thing):
    """A pole, with what hangs on it: "lamp", "sign", "light" (a traffic light), "wires" (over a
    tram) or nothing.
    """

    height: float = 6.0
    radius: float = 0.07
    carries: str = ""
    color: tuple = (110, 112, 112)
    label: str = "pole"
    arm: float = 0.0  # meters to the right that a mast reaches out

    def footprint(self):
        return self.around(self.radius, self.radius)

    def draw(self, canvas):
        r, h, pen = self.radius, self.height, Pen(canvas, self)
        foot = [
            (-1.7 * r, 0),
            (-1.7 * r, 0.8),
            (-r, 0.9),
            (-r, h),
            (r, h),
            (r, 0.9),
            (1.7 * r, 0.8),
            (1.7 * r, 0),
        ]
        shaded = rect(0.1 * r, 0, r, h) if pen.sunny < 0 else rect(-1.5 * r, 0, -0.1 * r, h)
        pen.part(
            self.label,
            foot if h > 4 else [(-r, h), (r, h), (r, 0), (-r, 0)],
            self.color,
            "metal",
            [(shaded, scaled(self.color, 0.65))],
        )
        if self.carries == "lamp":
            a = 1.6 if self.x < 0 else -1.6
            lamp = [
                (0, h - 0.1),
                (a * 0.6, h + 0.2),
                (a, h + 0.22),
                (a, h + 0.34),
                (a * 0.6, h + 0.36),
                (0, h + 0.05),
            ]
            pen.part("pole", lamp, self.color, "metal")
        elif self.arm:
            pen.part(
                "pole",
                [(0, h - 0.2), (self.arm, h - 0.05), (self.arm, h + 0.06), (0, h)],
                self.color,
                "metal",
            )
        if self.carries == "sign":
            self._sign(pen)
        if self.carries == "light":
            for x, y in [(0.0, 2.55 if self.arm else h - 0.5), (self.arm, h - 0.5)][
                : 2 if self.arm else 1
            ]:
                self._light(pen, x, y)

    def _sign(self, pen):
        random, top = self.random(), self.height - 0.45
        kind, size = random.integer(0, 4), random.uniform(0.33, 0.44)
        turn = {0: 0.0, 1: pi / 2 if random.chance(0.5) else -pi / 2, 2: pi / 4, 3: 0.0, 4: pi / 8}[
            kind
        ]
        wide = random.uniform(1.0, 1.7)

        def shape(k):
            if kind == 3:
                return rect(-wide * size * k, top - 0.4 * k, wide * size * k, top + 0.4 * k)
            return round_(0.0, top, size * k, (20, 3, 4, 4, 8)[kind], turn)

        if random.chance(0.15):  # from behind
            pen.part(
                "traffic sign",
                shape(1.0),
                (118, 120, 120),
                "metal",
                [(shape(0.9), (104, 106, 106))],
            )
            return
        rim, middle = random.choice(SIGNS)
        marks = random.choice(
            [
                ((0, 0.45 * size, 0.07),),
                ((0, 0.08 * size, 0.45 * size),),
                ((-0.18 * size, 0.1 * size, 0.4 * size), (0.2 * size, 0.1 * size, 0.2 * size)),
                ((0, 0.4 * size, 0.04), (0, 0.1 * size, 0.3 * size)),
            ]
        )
        ink = (212, 213, 208) if sum(middle) < 300 else (40, 40, 42)
        pen.part(
            "traffic sign",
            shape(1.0),
            rim,
            "plain",
            [
                (shape(0.8), middle),
                *((rect(a - w, top - h, a + w, top + h), ink) for a, w, h in marks),
            ],
        )

    def _light(self, pen, x, y):
        lit, colors = self.random().integer(0, 2), [(235, 60, 50), (235, 175, 70), (80, 220, 150)]
        lamps = [
            (
                round_(x, y + 0.52 * (0.62 - 0.62 * k), 0.11, 10),
                color if k == lit else scaled(color, 0.22),
            )
            for k, color in enumerate(colors)
        ]
        pen.part(
            "traffic light",
            rect(x - 0.17, y - 0.52, x + 0.17, y + 0.52),
            (30, 33, 32),
            "plain",
            lamps,
        )


@dataclass(frozen=True)
class Barrier(Thing):
    """A long low thing along the road: fence, wall, guard rail, hedge; or across it, from x to x +
    length.
    """

    label: str = "fence"
    length: float = 12.0
    height: float = 1.2
    color: tuple = (120, 120, 120)
    across: bool = False
    stripes: bool = False  # red and white boards around a construction site

    def end(self):
        return (self.x + self.length, self.z) if self.across else (self.x, self.z + self.length)

    def distance(self):
        # Beside the road: behind what is on it
        return self.z + (0.0 if self.across else self.length * 0.5 + 20)

    def footprint(self):
        x1, z1 = self.end()
        return [(self.x, self.z), (x1 + 0.15, self.z), (x1 + 0.15, z1 + 0.15), (self.x, z1)]

    def draw(self, canvas):
        (x0, z0), (x1, z1), random, material = (self.x, self.z), self.end(), self.random(), "metal"
        normal = (0, 0, -1) if self.across else (1.0 if self.x < 0 else -1.0, 0, 0)

        def quad(t0, t1, y0, y1):
            a, b = ([x0 + t * (x1 - x0), z0 + t * (z1 - z0)] for t in (t0, min(1, t1)))
            return [(p[0], y * self.height, p[1]) for p, y in ((a, y0), (a, y1), (b, y1), (b, y0))]

        def put(t0, t1, y0, y1, shade, kind=None):
            canvas.face(quad(t0, t1, y0, y1), scaled(self.color, shade), kind or material, normal)

        low, count = 0.45 if self.label == "guard rail" else 0.0, int(self.length / 0.5)
        with canvas.outline(self.label, canvas.camera.polygon(quad(0, 1, low, 1))) as seen:
            if not seen:
                return
            if self.label == "fence":
                self._fence(canvas, quad, put, normal)
                return
            material = {"vegetation": "leaves", "wall": "stone"}.get(self.label, "metal")
            put(0, 1, low, 1, 1.0)
            if self.label == "wall":
                for _ in range(count * 3):  # single stones
                    row, t = random.integer(0, 5), random.uniform(0, 1)
                    put(
                        t,
                        t + 0.5 / self.length,
                        row / 6,
                        (row + 0.9) / 6,
                        random.uniform(0.82, 1.12),
                    )
                put(0, 1, 0.93, 1, 1.2, "plaster")
                put(0, 1, 0, 0.1, 0.7, "plaster")
            elif self.label == "vegetation":
                for _ in range(count * 6):
                    t = random.uniform(0, 1)
                    y = random.uniform(0, 0.95)
                    d = random.uniform(0.05, 0.2)
                    put(
                        t,
                        t + d / self.length * 2,
                        y,
                        min(1, y + d),
                        0.7 + 0.5 * y + random.uniform(-0.15, 0.15),
                    )
            else:
                put(0, 1, 0.62, 0.7, 0.6)

    def _fence(self, canvas, quad, put, normal):
        """Bars, a mesh or boards; between them shows what is behind."""
        style, (step, bar) = self.seed % 3, (0.16, 0.035) if self.seed % 3 == 1 else (2.2, 0.07)
        if self.stripes:
            count = max(4, int(self.length / 0.4))
            for k in range(count):
                color = ((168, 48, 44), (205, 206, 202))[k % 2]
                canvas.face(quad(k / count, (k + 1) / count, 0.55, 1), color, "paint", normal)
            canvas.face(quad(0, 1, 0.1, 0.25), (168, 48, 44), "paint", normal)
        elif style == 0:  # boards
            put(0, 1, 0, 1, 0.5, "bark")
            count = max(4, int(self.length / 0.17))
            for k in range(count):
                put(
                    (k + 0.1) / count,
                    (k + 0.9) / count,
                    0.03,
                    0.97,
                    0.9 + 0.04 * (k * 7 % 5),
                    "bark",
                )
        count = max(4, int(self.length / step))
        for k in range(count + 1):
            t = min(k / count, 1 - bar / self.length)
            put(t, t + bar / self.length, 0, 1, 1.0)
        for y in ((), (0.1, 0.9), [k / 8 for k in range(9)])[style]:
            put(0, 1, y, y + (0.05 if style == 1 else 0.025), 1.0)


@dataclass(frozen=True)
class Slab(Thing):
    """A box whose class is not scored: bin, bench, box, cone (static, dynamic), or a bridge
    overhead.
    """

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
                for a, b, k in (
                    (0.86, 1.0, 1.2),
                    (0.5, 0.62, 0.8 if not self.taper else 1.8),
                    (0.0, 0.1, 0.7),
                ):
                    y0, y1 = (self.low + c * (self.high - self.low) for c in (a, b))
                    pen.fill(rect(-w, y0, w, y1), scaled(self.color, k), "plaster")


@dataclass(frozen=True)
class Strip(Thing):
    """A piece of ground that follows the road: `left` to `right` of its axis, z to z + length."""

    label: str = "road"  # without one it is paint: markings, seams
    left: float = -5.0
    right: float = 5.0
    length: float = 150.0
    curve: float = 0.0  # the axis lies at x = curve * z * z
    color: tuple = (90, 90, 92)
    material: str = "asphalt"

    def draw(self, canvas):
        count = 16 if self.length > 8 else 3
        steps = [self.z + self.length * (k / count) ** 2 for k in range(count + 1)]
        left, right = (
            [(x + self.curve * z * z, 0.0, z) for z in steps] for x in (self.left, self.right)
        )
        canvas.surface(self.label, left + right[::-1], self.color, self.material)


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
            steps = (self.z + self.length * (i / 12) ** 2 for i in (k, k + 1))
            canvas.line(
                [(self.x + self.curve * z * z, self.height, z) for z in steps], 0.02, (42, 43, 44)
            )

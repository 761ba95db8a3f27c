"""Cars, buses, trams, trucks, trailers: a profile seen from the side, pulled out to a width; and
the bonnet ahead.
"""

from dataclasses import dataclass
from math import cos, pi, sin

from sample_city.camera import Random, hull
from sample_city.materials import SHAPES, car_paint, gray
from sample_city.thing import Thing, mixed, rect, round_, scaled

GLASS, DARK, RIM = (34, 40, 43), (16, 17, 17), (135, 137, 139)
WHEEL = (
    (1.2, (14, 14, 15)),
    (1, (27, 27, 28)),
    (0.66, (128, 130, 132)),
    (0.52, (62, 63, 65)),
    (0.2, (140, 141, 143)),
)


@dataclass(frozen=True)
class Vehicle(Thing):
    """A profile (length, up) pulled out to a width; above `belt` the sides lean inwards by `lean` a
    meter.

    `heading` is the angle of its length axis: 0 ahead, as the camera drives; pi/2 to the right.
    """

    label: str = "car"
    heading: float = 0.0
    color: tuple = (120, 120, 125)
    profile: tuple = ()
    width: float = 1.8
    # (edge of the profile, from, to across, from, to along): panes of the ends, in shares
    ends: tuple = ()
    panes: tuple = ()  # polygons (along, up) of glass on both sides
    panels: tuple = ()  # (polygon, color) painted on both sides below the glass
    wheels: tuple = ()  # places along the length
    wheel_radius: float = 0.33
    belt: float = 1.0
    lean: float = 0.0

    def place(self, s: float, y: float, w: float) -> tuple[float, float, float]:
        """A point at s meters along, y up, w across, in space."""
        w *= 1 - self.lean * max(0.0, y - self.belt) / self.width
        return (
            self.x + s * sin(self.heading) + w * cos(self.heading),
            y,
            self.z + s * cos(self.heading) - w * sin(self.heading),
        )

    def span(self):
        return min(s for s, _ in self.profile), max(s for s, _ in self.profile)

    def footprint(self):
        (a, b), half = self.span(), self.width / 2
        return [self.place(s, 0, w)[::2] for s, w in ((a, -half), (a, half), (b, half), (b, -half))]

    def tall(self):
        return max(y for _, y in self.profile)

    def distance(self):
        return min(z for _, z in self.footprint())

    def faces(self):
        """(edge number, or half the width for a side; points; normal) of all faces that the camera
        sees, far first.
        """
        half, across = self.width / 2, (cos(self.heading), 0.0, -sin(self.heading))
        right, left = ([self.place(s, y, w) for s, y in self.profile] for w in (half, -half))
        faces = [(half, right, across), (-half, left, tuple(-c for c in across))]
        for i, (s0, y0) in enumerate(self.profile):
            j = (i + 1) % len(self.profile)
            s1, y1 = self.profile[j]
            size = ((s1 - s0) ** 2 + (y1 - y0) ** 2) ** 0.5 or 1.0
            ns, ny = -(y1 - y0) / size, (s1 - s0) / size
            normal = (ns * sin(self.heading), ny, ns * cos(self.heading))
            faces.append((i, [right[i], right[j], left[j], left[i]], normal))
        seen = [
            f
            for f in faces
            if f[2][0] * f[1][0][0] + f[2][1] * (f[1][0][1] - 1.2) + f[2][2] * f[1][0][2] < 0
        ]
        return sorted(seen, key=lambda f: -max(p[2] for p in f[1]))

    def draw(self, canvas):
        project, half = canvas.camera.polygon, self.width / 2
        points = [p for _, face, _ in self.faces() for p in project(face)]
        for s in self.wheels:
            for w in (-half, half):
                if self.place(s, 0, w)[2] > 2:
                    points += project([self.place(t, 0, w) for t in (s - 0.2, s + 0.2, s)])
        outline = hull(points)
        with canvas.outline(self.label, outline) as seen:
            if not seen:
                return
            canvas.paint(outline, self.color, self.z, "paint", 0.5)
            low = [
                self.place(s, y, w) for s in self.span() for y in (0, 0.4) for w in (-half, half)
            ]
            below = [
                p for p in outline if p[1] > canvas.camera.project((0, 0.34, max(2.0, self.z)))[1]
            ]
            canvas.paint(hull([*project(low), *below]), DARK, self.z)  # tyres and the dark below
            for name, points, normal in self.faces():
                canvas.face(points, self.color, "paint", normal)
                if isinstance(name, float):
                    self._side(canvas, name, normal)
                for edge, a, b, low, high in self.ends:
                    if edge == name:
                        p0, p1, p2, p3 = points
                        (a0, b0), (a1, b1) = [
                            [mixed(mixed(p0, p3, k), mixed(p1, p2, k), t) for t in (low, high)]
                            for k in (a, b)
                        ]
                        self._pane(canvas, [a0, b0, b1, a1], normal)
            self._ends(canvas)

    def _pane(self, canvas, quad, normal):
        """Glass: dark, with the sky in its upper part and a slanting streak."""
        canvas.face(quad, GLASS, "glass", normal)
        if self.z < 70:
            a, b, c, d = quad[0], quad[1], quad[-2], quad[-1]
            canvas.face([mixed(a, b, 0.55), b, c, mixed(d, c, 0.7)], (72, 80, 82), "glass", normal)
            streak = [mixed(a, d, 0.2), mixed(b, c, 0.35), mixed(b, c, 0.45), mixed(a, d, 0.3)]
            canvas.face(streak, (88, 96, 97), "glass", normal)

    def _side(self, canvas, w, normal):
        def on(points):
            return [self.place(s, y, w) for s, y in points]

        for polygon, color in self.panels:
            canvas.face(on(polygon), color, "paint", normal)
        for polygon in self.panes:
            self._pane(canvas, on(polygon), normal)
        if self.label == "car" and self.z < 45:
            canvas.face(on(SHAPES["crease"]), scaled(self.color, 1.22), "paint", normal)
            for s in (-0.95, -0.25, 0.8):
                canvas.line(on([(s, 0.4), (s, 0.98)]), 0.012, scaled(self.color, 0.45))
        r = self.wheel_radius
        for s in self.wheels:
            for share, color in WHEEL:
                canvas.face(on(round_(s, r, share * r, 16)), color)
            for k in range(5 if self.z < 40 else 0):
                a = k * 2 * pi / 5 + s
                c = 0.09 * r * sin(a)
                d = 0.09 * r * cos(a)
                u = s + 0.6 * r * cos(a)
                v = r + 0.6 * r * sin(a)
                canvas.face(
                    on([(s + c, r - d), (s - c, r + d), (u - c, v + d), (u + c, v - d)]),
                    RIM,
                    "metal",
                    normal,
                )

    def _ends(self, canvas):
        """Bumper, lights, plate and grille at the end that shows; the plate is paint only."""
        (a, b) = self.span()
        rear = cos(self.heading) > 0.3
        low = self.profile[0][1]
        top = self.tall()
        if not (rear or cos(self.heading) < -0.3):
            return

        def quad(y0, y1, w0, w1, color):
            points = [
                self.place(a if rear else b, y, w * self.width) for w, y in rect(w0, y0, w1, y1)
            ]
            canvas.face(points, color, "plain", (0, 0, -1))

        quad(low, low + 0.16, -0.5, 0.5, (32, 33, 34))
        big = self.label in ("bus", "train", "truck")
        for side in (-1, 1):
            if rear:
                quad(
                    low + 0.3,
                    low + (0.62 if big else 0.75),
                    side * 0.36,
                    side * 0.48,
                    (135, 22, 22),
                )
                quad(low + 0.42, low + 0.5, side * 0.36, side * 0.48, (205, 120, 60))
            else:
                quad(low + 0.35, low + 0.49, side * 0.29, side * 0.47, (205, 208, 200))
                quad(low + 0.06, low + 0.13, side * 0.3, side * 0.4, (150, 150, 140))
        if self.label == "car":
            if rear:
                quad(low + 0.17, low + 0.185, -0.42, 0.42, scaled(self.color, 0.5))
            else:
                quad(low + 0.24, low + 0.42, -0.2, 0.2, (26, 27, 28))
            quad(low + 0.2, low + 0.31, -0.14, 0.14, (205, 205, 200))
        elif self.label in ("bus", "train"):
            quad(top - 0.42, top - 0.1, -0.36, 0.36, (22, 22, 22))
            quad(top - 0.34, top - 0.2, -0.2, 0.16, (205, 150, 50))
        elif self.label == "truck" and rear:
            quad(low + 0.7, low + 0.73, -0.48, 0.48, scaled(self.color, 0.6))
            quad(low + 0.7, top - 0.1, -0.01, 0.01, scaled(self.color, 0.5))


def car(random: Random, **place) -> Vehicle:
    """A saloon, hatchback, estate or van of random paint."""
    name, color = random.choice(tuple(SHAPES["cars"])), car_paint(random)
    profile, (rear, front), panes = SHAPES["cars"][name]
    tall, a, b = random.uniform(0.97, 1.12), profile[0][0] + 0.12, profile[-1][0] - 0.1
    profile = tuple((s, y * tall) for s, y in profile)
    panes = tuple(tuple((s, y * tall) for s, y in p) for p in panes)
    if name == "van" and random.chance(0.4):
        panes = panes[2:]
    panels = ((rect(a, 0.3, b, 0.42), (34, 35, 36)), (rect(a, 0.42, b, 0.58), scaled(color, 0.84)))
    return Vehicle(
        label="car",
        color=color,
        profile=profile,
        panes=panes,
        panels=panels,
        lean=0.62,
        belt=1.0,
        ends=((rear, 0.08, 0.92, 0.1, 0.92), (front, 0.06, 0.94, 0.05, 0.95)),
        wheels=(-1.3, 1.32),
        width=random.uniform(1.7, 1.85),
        wheel_radius=0.32,
        **place,
    )


def boxy(label: str, color, panels=(), panes=(), height=None, **place) -> Vehicle:
    """A bus, tram, truck, caravan or trailer: a box with a rounded front. `panels` are (s0, y0, s1,
    y1, color).
    """
    length, tall, width, floor, nose, wheels, rows = SHAPES["boxes"][label]
    a, height = length / 2, height or tall
    for start, stop, step, low, high in rows:  # of windows and doors
        panes += tuple(
            rect(start + k * step, low, start + (k + 1) * step - 0.12, high)
            for k in range(round((stop - start) / step))
        )
    profile = (
        (-a, floor),
        (-a, height - 0.2),
        (-a + 0.25, height),
        (a - nose - 0.3, height),
        (a - nose, height - 0.15),
        (a - 0.05, height * 0.42),
        (a, height * 0.3),
        (a, floor),
    )
    ends = {
        "bus": ((4, 0.05, 0.95, 0.05, 0.95), (0, 0.1, 0.9, 0.5, 0.86)),
        "truck": ((4, 0.06, 0.94, 0.25, 0.95),),
    }
    return Vehicle(
        label=label,
        color=color,
        profile=profile,
        width=width,
        panes=panes,
        lean=0.5,
        belt=height - 0.4,
        ends=ends.get({"train": "bus"}.get(label, label), ()),
        wheels=tuple(wheels),
        panels=tuple((rect(*p[:4]), p[4]) for p in panels),
        wheel_radius=0.48 if label in ("bus", "truck") else 0.3,
        **place,
    )


def bus(random: Random, **place) -> Vehicle:
    color = random.choice(
        [(190, 165, 60), (150, 45, 42), (195, 197, 192), (66, 88, 112), (176, 178, 172)]
    )
    trim = random.choice([(60, 62, 64), (150, 60, 50), scaled(color, 0.7), (60, 90, 120)])
    doors = [(s, 0.45, e, 2.5, (45, 47, 48)) for s, e in ((-0.4, 0.9), (4.0, 5.2))]
    return boxy("bus", color, [(-5.7, 0.35, 5.6, 0.75, trim), *doors], **place)


def tram(random: Random, **place) -> Vehicle:
    color = random.choice([(182, 176, 90), (140, 42, 44), (196, 197, 192), (62, 92, 104)])
    trim = random.choice([(52, 54, 56), (170, 172, 166), scaled(color, 0.65)])
    joints = [(s, 0.3, s + 0.3, 3.3, (38, 39, 40)) for s in (-3.1, 2.9)]
    return boxy(
        "train",
        color,
        [(-9, 0.2, 8.9, 0.6, (52, 53, 54)), (-9, 2.75, 8.9, 3.1, trim), *joints],
        **place,
    )


def truck(random: Random, **place) -> Vehicle:
    cab, cargo = car_paint(random), random.choice([gray(random, 140, 205, 5), car_paint(random)])
    tall = random.uniform(2.9, 3.5)
    stripe = (-3.6, tall * 0.55, 1.6, tall * 0.72, scaled(cargo, random.uniform(0.7, 1.15)))
    ribs = [(s, 1.0, s + 0.06, tall - 0.05, scaled(cargo, 0.82)) for s in (-2.7, -1.6, -0.5, 0.6)]
    panels = [
        (-3.75, 0.55, 1.75, 0.95, (40, 41, 42)),
        (1.75, 0.6, 2.0, tall, (24, 25, 26)),
        (2.0, 0.6, 3.3, tall - 0.2, cab),
    ]
    return boxy(
        "truck", cargo, [*panels, stripe, *ribs], (rect(2.25, 1.65, 3.25, 2.35),), tall, **place
    )


def caravan(random: Random, **place) -> Vehicle:
    color = gray(random, 180, 215, 4)
    trim = random.choice([(90, 100, 120), (140, 90, 60), (110, 110, 108)])
    panes = rect(-1.6, 1.25, -0.5, 1.9), rect(0.4, 1.25, 1.3, 1.9)
    return boxy("caravan", color, [(-2.4, 0.7, 2.4, 0.85, trim)], panes, **place)


def trailer(random: Random, **place) -> Vehicle:
    color = gray(random, 70, 140)
    panels = [(s, 0.4, s + 0.05, 1.2, scaled(color, 0.7)) for s in (-1.0, -0.3, 0.4, 1.1)]
    return boxy("trailer", color, panels, **place)


@dataclass(frozen=True)
class Ego(Thing):
    """The bonnet of the recording car, and the borders that rectification leaves: all void."""

    rise: int = 60
    border: int = 6
    color: tuple = (30, 32, 34)
    reflections: tuple = ((0.3, 44), (0.55, 36), (0.72, 40))

    def draw(self, canvas):
        r, b = self.rise, self.border
        top = [(420, 994 - r), (1024, 985 - r), (1640, 994 - r)]
        hood = [
            (0, 1023),
            (0, 1010 - r // 4),
            (180, 1003 - r * 3 // 4),
            *top,
            (1860, 1003 - r * 3 // 4),
            (2047, 1010 - r // 4),
            (2047, 1023),
        ]
        with canvas.outline("ego vehicle", hood):
            canvas.paint(hood, self.color, 2.0, "paint")
            canvas.paint(
                [*top, *((u, v + 7) for u, v in top[::-1])], scaled(self.color, 1.8), 2.0, "paint"
            )
            for t, tone in self.reflections:
                u = int(2048 * t)
                streak = [(u - 90, 1023), (u + 60, 995 - r), (u + 110, 995 - r), (u + 60, 1023)]
                canvas.paint(streak, (tone, tone, tone + 2), 2.0, "glass")
        for name, polygon in (
            ("rectification border", [(0, 0), (b, 0), (b - 3, 1023), (0, 1023)]),
            ("rectification border", [(2047, 0), (2047 - b, 0), (2050 - b, 1023), (2047, 1023)]),
            ("out of roi", [(0, 0), (2047, 0), (2047, 4), (0, 4)]),
        ):
            with canvas.outline(name, polygon):
                canvas.paint(polygon, (0, 0, 0), 2.0)

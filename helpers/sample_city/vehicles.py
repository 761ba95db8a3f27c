"""Cars, buses, trams, trucks, trailers: a profile seen from the side, pulled out to a width."""
from dataclasses import dataclass
from math import cos, pi, sin

from helpers.sample_city import materials
from helpers.sample_city.camera import Random, hull
from helpers.sample_city.objects import Thing, mixed, scaled

GLASS = (34, 40, 43)


@dataclass(frozen=True)
class Vehicle(Thing):
    """A profile (length, up) pulled out to a width; above `belt` the sides lean inwards by `lean` a metre.

    `heading` is the angle of its length axis: 0 ahead, as the camera drives; pi/2 to the right.
    """

    label: str = "car"
    heading: float = 0.0
    color: tuple = (120, 120, 125)
    profile: tuple = ()
    width: float = 1.8
    ends: tuple = ()  # (edge of the profile, from, to across, from, to along): panes of the ends, in shares
    panes: tuple = ()  # polygons (along, up) of glass on both sides
    panels: tuple = ()  # (polygon, colour) painted on both sides below the glass
    wheels: tuple = ()  # places along the length
    wheel_radius: float = 0.33
    belt: float = 1.0
    lean: float = 0.0

    def place(self, s: float, y: float, w: float) -> tuple[float, float, float]:
        """A point at s metres along, y up, w across, in space."""
        w *= 1 - self.lean * max(0.0, y - self.belt) / self.width
        return (self.x + s * sin(self.heading) + w * cos(self.heading), y,
                self.z + s * cos(self.heading) - w * sin(self.heading))

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
        """(edge number or side -1 / 1, points, normal) of every face that the camera sees, far ones first."""
        half, across = self.width / 2, (cos(self.heading), 0.0, -sin(self.heading))
        right, left = ([self.place(s, y, w) for s, y in self.profile] for w in (half, -half))
        faces = [("right", right, across), ("left", left, tuple(-c for c in across))]
        for i, (s0, y0) in enumerate(self.profile):
            j = (i + 1) % len(self.profile)
            s1, y1 = self.profile[j]
            size = ((s1 - s0) ** 2 + (y1 - y0) ** 2) ** 0.5 or 1.0
            ns, ny = -(y1 - y0) / size, (s1 - s0) / size
            faces.append((i, [right[i], right[j], left[j], left[i]],
                          (ns * sin(self.heading), ny, ns * cos(self.heading))))
        seen = [f for f in faces if f[2][0] * f[1][0][0] + f[2][1] * (f[1][0][1] - 1.2) + f[2][2] * f[1][0][2] < 0]
        return sorted(seen, key=lambda f: -max(p[2] for p in f[1]))

    def silhouette(self, canvas):
        points = [p for _, face, _ in self.faces() for p in canvas.camera.polygon(face)]
        for s in self.wheels:
            for w in (-self.width / 2, self.width / 2):
                at = self.place(s, 0, w)
                if at[2] > 2:
                    points += canvas.camera.polygon([self.place(s - 0.2, 0, w), self.place(s + 0.2, 0, w), at])
        return hull(points)

    def draw(self, canvas):
        outline = self.silhouette(canvas)
        with canvas.outline(self.label, outline) as seen:
            if not seen:
                return
            canvas.paint(outline, self.color, self.z, "paint", 0.5)
            low = [self.place(s, y, w) for s in self.span() for y in (0, 0.4) for w in (-self.width / 2, self.width / 2)]
            below = [p for p in outline if p[1] > canvas.camera.project((0, 0.34, max(2.0, self.z)))[1]]
            canvas.paint(hull([*canvas.camera.polygon(low), *below]), (16, 17, 17), self.z)  # tyres and the dark below
            for name, points, normal in self.faces():
                canvas.face(points, self.color, "paint", normal)
                if name in ("left", "right"):
                    self._side(canvas, self.width / 2 if name == "right" else -self.width / 2, normal)
                for edge, a, b, low, high in self.ends:
                    if edge == name:
                        p0, p1, p2, p3 = points
                        (a0, b0), (a1, b1) = [[mixed(mixed(p0, p3, k), mixed(p1, p2, k), t) for t in (low, high)]
                                              for k in (a, b)]
                        self._pane(canvas, [a0, b0, b1, a1], normal)
            self._ends(canvas)

    def _pane(self, canvas, quad, normal):
        """Glass: dark, with the sky in its upper part and a slanting streak."""
        canvas.face(quad, GLASS, "glass", normal)
        if self.z < 70:
            a, b, c, d = quad[0], quad[1], quad[-2], quad[-1]
            canvas.face([mixed(a, b, 0.55), b, c, mixed(d, c, 0.7)], (72, 80, 82), "glass", normal)
            canvas.face([mixed(a, d, 0.2), mixed(b, c, 0.35), mixed(b, c, 0.45), mixed(a, d, 0.3)], (88, 96, 97),
                        "glass", normal)

    def _side(self, canvas, w, normal):
        def on(points):
            return [self.place(s, y, w) for s, y in points]

        for polygon, color in self.panels:
            canvas.face(on(polygon), color, "paint", normal)
        for polygon in self.panes:
            self._pane(canvas, on(polygon), normal)
        if self.label == "car" and self.z < 45:
            canvas.face(on([(-1.9, 0.80), (-1.9, 0.835), (1.8, 0.79), (1.8, 0.755)]), scaled(self.color, 1.22), "paint", normal)
            for s in (-0.95, -0.25, 0.8):
                canvas.line(on([(s, 0.4), (s, 0.98)]), 0.012, scaled(self.color, 0.45))
        for s in self.wheels:
            r = self.wheel_radius
            for radius, color in ((r * 1.2, (14, 14, 15)), (r, (27, 27, 28)), (r * 0.66, (128, 130, 132)),
                                  (r * 0.52, (62, 63, 65)), (r * 0.2, (140, 141, 143))):
                canvas.face(on([(s + radius * cos(k * pi / 8), r + radius * sin(k * pi / 8)) for k in range(16)]), color)
            if self.z < 40:
                for k in range(5):
                    a = k * 2 * pi / 5 + s
                    d = (0.09 * r * sin(a), 0.09 * r * cos(a))
                    e = (s + 0.6 * r * cos(a), r + 0.6 * r * sin(a))
                    canvas.face(on([(s + d[0], r - d[1]), (s - d[0], r + d[1]), (e[0] - d[0], e[1] + d[1]),
                                    (e[0] + d[0], e[1] - d[1])]), (135, 137, 139), "metal", normal)

    def _ends(self, canvas):
        """Bumper, lights, plate and grille at the end that shows; the plate is paint only."""
        (a, b), w = self.span(), self.width
        rear, front = cos(self.heading) > 0.3, cos(self.heading) < -0.3
        if not (rear or front):
            return
        s, big = (a if rear else b), self.label in ("bus", "train", "truck")

        def quad(y0, y1, w0, w1, color, material="plain"):
            canvas.face([self.place(s, y0, w0 * w), self.place(s, y1, w0 * w), self.place(s, y1, w1 * w),
                         self.place(s, y0, w1 * w)], color, material, (0, 0, -1))

        low = self.profile[0][1]
        quad(low, low + 0.16, -0.5, 0.5, (32, 33, 34))
        for side in (-1, 1):
            if rear:
                quad(low + 0.3, low + (0.75 if not big else 0.62), side * 0.36, side * 0.48, (135, 22, 22))
                quad(low + 0.42, low + 0.5, side * 0.36, side * 0.48, (205, 120, 60))
            else:
                quad(low + 0.35, low + 0.49, side * 0.29, side * 0.47, (205, 208, 200))
                quad(low + 0.06, low + 0.13, side * 0.3, side * 0.4, (150, 150, 140))
        if self.label == "car":
            if front:
                quad(low + 0.24, low + 0.42, -0.2, 0.2, (26, 27, 28))
            else:
                quad(low + 0.17, low + 0.185, -0.42, 0.42, scaled(self.color, 0.5))
            quad(low + 0.2, low + 0.31, -0.14, 0.14, (205, 205, 200))
        elif self.label in ("bus", "train"):
            top = self.tall()
            quad(top - 0.42, top - 0.1, -0.36, 0.36, (22, 22, 22))
            quad(top - 0.34, top - 0.2, -0.2, 0.16, (205, 150, 50))
        elif self.label == "truck" and rear:
            quad(low + 0.7, low + 0.73, -0.48, 0.48, scaled(self.color, 0.6))
            quad(low + 0.7, self.tall() - 0.1, -0.01, 0.01, scaled(self.color, 0.5))


def _box(s0, s1, y0, y1):
    return (s0, y0), (s0, y1), (s1, y1), (s1, y0)


# name: (profile from the rear bumper over the roof to the front bumper, panes of the ends, panes of the sides)
CARS = {
    "saloon": (((-2.2, 0.3), (-2.26, 0.55), (-2.2, 0.92), (-2.05, 1.0), (-1.65, 1.03), (-1.1, 1.38), (-0.7, 1.45),
                (0, 1.47), (0.35, 1.42), (1.05, 1.0), (1.9, 0.88), (2.15, 0.75), (2.25, 0.5), (2.2, 0.28)), (4, 8),
               (((-1.35, 1.06), (-0.95, 1.36), (-0.28, 1.4), (-0.28, 1.04)),
                ((-0.2, 1.04), (-0.2, 1.4), (0.28, 1.36), (0.85, 1.03)))),
    "hatchback": (((-1.95, 0.3), (-2.02, 0.6), (-1.98, 0.98), (-1.72, 1.38), (-1.4, 1.5), (-0.3, 1.54), (0.3, 1.48),
                   (1.0, 1.02), (1.7, 0.92), (1.95, 0.75), (2.02, 0.5), (1.98, 0.28)), (2, 6),
                  (((-1.62, 1.06), (-1.42, 1.4), (-0.32, 1.46), (-0.32, 1.05)),
                   ((-0.24, 1.05), (-0.24, 1.46), (0.25, 1.41), (0.82, 1.05)))),
    "estate": (((-2.3, 0.3), (-2.36, 0.6), (-2.3, 1.0), (-2.0, 1.38), (-1.7, 1.48), (-0.2, 1.5), (0.3, 1.44),
                (1.0, 1.0), (1.9, 0.88), (2.2, 0.74), (2.28, 0.5), (2.22, 0.28)), (2, 6),
               (((-2.05, 1.06), (-1.8, 1.38), (-1.15, 1.42), (-1.15, 1.05)),
                ((-1.07, 1.05), (-1.07, 1.42), (-0.3, 1.43), (-0.3, 1.04)),
                ((-0.22, 1.04), (-0.22, 1.43), (0.25, 1.38), (0.82, 1.03)))),
    "van": (((-2.3, 0.32), (-2.38, 0.7), (-2.36, 1.15), (-2.2, 1.8), (-2.0, 1.93), (0.7, 1.96), (1.0, 1.88),
             (1.6, 1.2), (2.15, 1.05), (2.35, 0.8), (2.38, 0.5), (2.3, 0.3)), (2, 6),
            (((-2.1, 1.2), (-2.0, 1.75), (-0.9, 1.78), (-0.9, 1.18)), ((-0.8, 1.18), (-0.8, 1.78), (0.1, 1.78), (0.1, 1.18)),
             ((0.2, 1.18), (0.2, 1.78), (0.85, 1.74), (1.4, 1.18)))),
}


def car(random: Random, **place) -> Vehicle:
    """A saloon, hatchback, estate or van of random paint."""
    name, color = random.choice(tuple(CARS)), materials.car_paint(random)
    profile, (rear, front), panes = CARS[name]
    tall, a, b = random.uniform(0.97, 1.12), profile[0][0] + 0.12, profile[-1][0] - 0.1
    profile, panes = tuple((s, y * tall) for s, y in profile), tuple(tuple((s, y * tall) for s, y in p) for p in panes)
    if name == "van" and random.chance(0.4):
        panes = panes[2:]
    panels = ((_box(a, b, 0.3, 0.42), (34, 35, 36)), (_box(a, b, 0.42, 0.58), scaled(color, 0.84)))
    return Vehicle(label="car", color=color, profile=profile, panes=panes, panels=panels, lean=0.62, belt=1.0,
                   ends=((rear, 0.08, 0.92, 0.1, 0.92), (front, 0.06, 0.94, 0.05, 0.95)), wheels=(-1.3, 1.32),
                   width=random.uniform(1.7, 1.85), wheel_radius=0.32, **place)


def boxy(label, length, height, width, color, panes=(), panels=(), wheels=(), floor=0.35, nose=0.35, **place) -> Vehicle:
    """A bus, tram, truck, caravan or trailer: a box with a rounded front."""
    a = length / 2
    profile = ((-a, floor), (-a, height - 0.2), (-a + 0.25, height), (a - nose - 0.3, height), (a - nose, height - 0.15),
               (a - 0.05, height * 0.42), (a, height * 0.3), (a, floor))
    windows = ((4, 0.05, 0.95, 0.05, 0.95), (0, 0.1, 0.9, 0.5, 0.86)) if label in ("bus", "train") else ()
    windows = ((4, 0.06, 0.94, 0.25, 0.95),) if label == "truck" else windows
    return Vehicle(label=label, color=color, profile=profile, width=width, ends=windows, panes=panes, panels=panels,
                   wheels=wheels, wheel_radius=0.48 if label in ("bus", "truck") else 0.3, belt=height - 0.4, lean=0.5,
                   **place)


def _row(start, stop, step, low, high, gap=0.12):
    """A row of windows (or doors) along a side."""
    count = round((stop - start) / step)
    return tuple(_box(start + k * step, start + (k + 1) * step - gap, low, high) for k in range(count))


def bus(random: Random, **place) -> Vehicle:
    color = random.choice([(190, 165, 60), (150, 45, 42), (195, 197, 192), (66, 88, 112), (176, 178, 172)])
    trim = random.choice([(60, 62, 64), (150, 60, 50), scaled(color, 0.7), (60, 90, 120)])
    panels = ((_box(-5.7, 5.6, 0.35, 0.75), trim), *((door, (45, 47, 48)) for door in ((_box(-0.4, 0.9, 0.45, 2.5)), _box(4.0, 5.2, 0.45, 2.5))))
    panes = _row(-5.5, -0.5, 1.25, 1.35, 2.5) + _row(1.0, 4.0, 1.5, 1.35, 2.5) + _row(-0.4, 0.9, 0.65, 0.7, 2.4) + _row(4.0, 5.2, 0.6, 0.7, 2.4)
    return boxy("bus", 11.5, 3.05, 2.5, color, panes, panels, (-3.4, 3.2), nose=0.15, **place)


def tram(random: Random, **place) -> Vehicle:
    color = random.choice([(182, 176, 90), (140, 42, 44), (196, 197, 192), (62, 92, 104)])
    trim = random.choice([(52, 54, 56), (170, 172, 166), scaled(color, 0.65)])
    panels = ((_box(-9, 8.9, 0.2, 0.6), (52, 53, 54)), (_box(-9, 8.9, 2.75, 3.1), trim), (_box(-3.1, -2.8, 0.3, 3.3), (38, 39, 40)),
              (_box(2.9, 3.2, 0.3, 3.3), (38, 39, 40)))
    panes = _row(-8.7, -3.2, 1.8, 1.4, 2.65) + _row(-2.7, 2.8, 1.8, 1.4, 2.65) + _row(3.3, 8.4, 1.7, 1.4, 2.65)
    panes += _row(-5.0, -3.8, 0.6, 0.45, 2.6) + _row(0.6, 1.8, 0.6, 0.45, 2.6)
    return boxy("train", 18.0, 3.4, 2.4, color, panes, panels, floor=0.22, nose=0.9, **place)


def truck(random: Random, **place) -> Vehicle:
    cab, cargo = materials.car_paint(random), random.choice([materials.grey(random, 140, 205, 5), materials.car_paint(random)])
    tall = random.uniform(2.9, 3.5)
    panels = ((_box(-3.75, 1.75, 0.55, 0.95), (40, 41, 42)), (_box(1.75, 2.0, 0.6, tall), (24, 25, 26)),
              (_box(2.0, 3.3, 0.6, tall - 0.2), cab), (_box(-3.6, 1.6, tall * 0.55, tall * 0.72), scaled(cargo, random.uniform(0.7, 1.15))))
    panels += tuple((_box(s, s + 0.06, 1.0, tall - 0.05), scaled(cargo, 0.82)) for s in (-2.7, -1.6, -0.5, 0.6))
    return boxy("truck", 7.5, tall, 2.4, cargo, (_box(2.25, 3.25, 1.65, 2.35),), panels, (-2.4, -1.35, 2.7), 0.55, **place)


def caravan(random: Random, **place) -> Vehicle:
    color = materials.grey(random, 180, 215, 4)
    panels = ((_box(-2.4, 2.4, 0.7, 0.85), random.choice([(90, 100, 120), (140, 90, 60), (110, 110, 108)])),)
    return boxy("caravan", 5.0, 2.5, 2.2, color, (_box(-1.6, -0.5, 1.25, 1.9), _box(0.4, 1.3, 1.25, 1.9)), panels, (0.0,), **place)


def trailer(random: Random, **place) -> Vehicle:
    color = materials.grey(random, 70, 140)
    panels = tuple((_box(s, s + 0.05, 0.4, 1.2), scaled(color, 0.7)) for s in (-1.0, -0.3, 0.4, 1.1))
    return boxy("trailer", 3.0, 1.3, 1.7, color, (), panels, (0.0,), **place)

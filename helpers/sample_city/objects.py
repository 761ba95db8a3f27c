"""Everything that stands on the street. A new kind of object is one short class with `draw`.

Each is a small dataclass: where it is (x to the right, z ahead, in metres) and what it looks like. Change one field
with `dataclasses.replace`, render again, and nothing else moves.
"""
from dataclasses import dataclass, field
from math import cos, pi, sin

from helpers.sample_city import materials
from helpers.sample_city.camera import Random, hull


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

    def tall(self) -> float:
        return 1.5

    def random(self) -> Random:
        return Random(self.seed, 5)


def upright(thing, points):
    """Points (sideways, up) in metres, facing the camera, as points in space."""
    return [(thing.x + a, b, thing.z) for a, b in points]


@dataclass(frozen=True)
class Extrusion(Thing):
    """A profile (length, up) pulled out to a width: cars, trucks, buses, trams, trailers.

    `heading` is the angle of its length axis: 0 ahead, as the camera drives; pi/2 to the right.
    """

    label: str = "car"
    heading: float = 0.0
    color: tuple = (120, 120, 125)
    profile: tuple = ()
    width: float = 1.8
    glass: tuple = ()  # (edge of the profile or "side", from, to, low, high), in shares of the face
    wheels: tuple = ()  # places along the length
    wheel_radius: float = 0.33

    def place(self, s: float, y: float, w: float) -> tuple[float, float, float]:
        """A point at s metres along, y up, w across, in space."""
        return (self.x + s * sin(self.heading) + w * cos(self.heading), y,
                self.z + s * cos(self.heading) - w * sin(self.heading))

    def footprint(self):
        ends = [min(s for s, _ in self.profile), max(s for s, _ in self.profile)]
        return [self.place(s, 0, w)[::2] for s, w in
                [(ends[0], -self.width / 2), (ends[0], self.width / 2), (ends[1], self.width / 2),
                 (ends[1], -self.width / 2)]]

    def tall(self):
        return max(y for _, y in self.profile)

    def distance(self):
        return min(z for _, z in self.footprint())

    def faces(self):
        """(name, points, normal) of every face that the camera sees, far ones first."""
        half, seen = self.width / 2, []
        side = [self.place(s, y, half) for s, y in self.profile]
        other = [self.place(s, y, -half) for s, y in self.profile]
        across = (cos(self.heading), 0.0, -sin(self.heading))
        seen += [("side", side, across), ("side", other, tuple(-c for c in across))]
        count = len(self.profile)
        for i in range(count):
            (s0, y0), (s1, y1) = self.profile[i], self.profile[(i + 1) % count]
            length = ((s1 - s0) ** 2 + (y1 - y0) ** 2) ** 0.5 or 1.0
            ns, ny = -(y1 - y0) / length, (s1 - s0) / length
            normal = (ns * sin(self.heading), ny, ns * cos(self.heading))
            seen.append((i, [side[i], side[(i + 1) % count], other[(i + 1) % count], other[i]], normal))
        def faces_camera(points, normal):
            p = points[0]
            return normal[0] * p[0] + normal[1] * (p[1] - 1.2) + normal[2] * p[2] < 0
        visible = [f for f in seen if faces_camera(f[1], f[2])]
        return sorted(visible, key=lambda f: -max(p[2] for p in f[1]))

    def silhouette(self, canvas):
        points = [p for _, face, _ in self.faces() for p in canvas.camera.polygon(face)]
        for s in self.wheels:
            for w in (-self.width / 2, self.width / 2):
                p = self.place(s, 0, w)
                if p[2] > 2:
                    points += canvas.camera.polygon([self.place(s - 0.2, 0, w), self.place(s + 0.2, 0, w), p])
        return hull(points)

    def draw(self, canvas):
        with canvas.outline(self.label, self.silhouette(canvas)) as seen:
            if not seen:
                return
            canvas.paint(self.silhouette(canvas), (18, 18, 20), self.z)  # tyres and the dark below
            for name, points, normal in self.faces():
                canvas.face(points, self.color, "paint", normal)
                for edge, a, b, low, high in self.glass:
                    if edge == name:
                        self._pane(canvas, name, points, a, b, low, high, normal)
                if name == "side" and self.wheels:
                    self._wheels(canvas, points[0], normal)
            self.details(canvas)

    def _pane(self, canvas, name, points, a, b, low, high, normal):
        if name == "side":  # low, high are heights in metres; a, b metres along
            w = self.width / 2 if points[0] == self.place(*self.profile[0], self.width / 2) else -self.width / 2
            slope = 0.22 if self.label == "car" else 0.0
            quad = [self.place(a, low, w), self.place(a + slope, high, w), self.place(b - slope, high, w),
                    self.place(b, low, w)]
        else:
            p0, p1, p2, p3 = points

            def mix(p, q, t):
                return tuple(i + t * (j - i) for i, j in zip(p, q))

            quad = [mix(mix(p0, p3, a), mix(p1, p2, a), low), mix(mix(p0, p3, b), mix(p1, p2, b), low),
                    mix(mix(p0, p3, b), mix(p1, p2, b), high), mix(mix(p0, p3, a), mix(p1, p2, a), high)]
        canvas.face(quad, (48, 54, 60), "glass", normal)

    def _wheels(self, canvas, corner, normal):
        side = self.width / 2 if corner == self.place(*self.profile[0], self.width / 2) else -self.width / 2
        for s in self.wheels:
            for radius, color in ((self.wheel_radius, (22, 22, 24)), (self.wheel_radius * 0.6, (120, 120, 124))):
                ring = [self.place(s + radius * cos(k * pi / 6), self.wheel_radius + radius * sin(k * pi / 6), side)
                        for k in range(12)]
                canvas.face(ring, color)

    def details(self, canvas):
        """Lights at both ends; the plate, which is a label of its own (id -1, so it leaves the car beneath)."""
        ends = (min(s for s, _ in self.profile), max(s for s, _ in self.profile))
        for s, color, near in ((ends[0], (150, 20, 20), cos(self.heading) > 0.3),
                               (ends[1], (225, 220, 200), cos(self.heading) < -0.3)):
            if not near:
                continue
            for w in (-0.42, 0.42):
                quad = [self.place(s, y, w * self.width + d) for y, d in
                        ((0.62, -0.12), (0.62, 0.12), (0.82, 0.12), (0.82, -0.12))]
                canvas.face(quad, color)
            if self.label == "car":
                plate = [self.place(s, y, d) for y, d in ((0.5, -0.26), (0.5, 0.26), (0.62, 0.26), (0.62, -0.26))]
                canvas.face(plate, (215, 215, 210))


def car(random: Random, **place) -> Extrusion:
    """A saloon, hatchback or van of random paint."""
    kind = random.integer(0, 2)
    top = (1.45, 1.52, 1.95)[kind]
    if kind == 0:  # saloon
        profile = ((-2.2, 0.28), (-2.25, 0.85), (-1.7, 0.95), (-1.15, top), (0.35, top), (1.05, 0.95), (2.1, 0.78), (2.2, 0.28))
        glass = (("side", -1.35, 0.8, 0.98, top - 0.1), (2, 0.1, 0.9, 0.1, 0.9), (4, 0.1, 0.9, 0.1, 0.9))
    elif kind == 1:  # hatchback
        profile = ((-1.9, 0.28), (-2.0, 0.9), (-1.65, top), (0.3, top), (1.0, 0.95), (1.9, 0.8), (2.0, 0.28))
        glass = (("side", -1.6, 0.75, 0.98, top - 0.1), (1, 0.12, 0.88, 0.15, 0.85), (3, 0.1, 0.9, 0.1, 0.9))
    else:  # van
        profile = ((-2.3, 0.3), (-2.35, 1.1), (-2.2, top), (1.0, top), (1.6, 1.1), (2.3, 0.9), (2.35, 0.3))
        glass = (("side", -2.0, 1.2, 1.1, top - 0.18), (1, 0.12, 0.88, 0.1, 0.8), (3, 0.1, 0.9, 0.1, 0.9))
    return Extrusion(label="car", color=materials.car_paint(random), profile=profile, glass=glass,
                     wheels=(-1.35, 1.35), width=1.8, **place)


def boxy(label: str, length: float, height: float, width: float, color, windows=(), wheels=(), floor=0.35, **place):
    """A truck, bus, tram, caravan or trailer: a box with rounded ends, its windows and wheels."""
    a = length / 2
    profile = ((-a, floor), (-a, height), (a - 0.3, height), (a, height * 0.45), (a, floor))
    glass = [("side", s, e, lo, hi) for s, e, lo, hi in windows]
    if label in ("bus", "train", "truck"):
        glass += [(2, 0.06, 0.94, 0.1, 0.85)] + ([(0, 0.1, 0.9, 0.45, 0.85)] if label != "truck" else [])
    return Extrusion(label=label, color=color, profile=profile, width=width, glass=tuple(glass), wheels=wheels,
                     wheel_radius=0.5 if label in ("bus", "truck") else 0.3, **place)


def bus(random: Random, **place) -> Extrusion:
    color = random.choice([(190, 160, 40), (170, 40, 40), (200, 200, 195), (60, 90, 130)])
    panes = tuple((s, s + 1.35, 1.35, 2.5) for s in (-5.4, -3.9, -2.4, -0.9, 0.6, 2.1, 3.6))
    return boxy("bus", 11.5, 3.0, 2.5, color, panes, (-3.4, 3.6), **place)


def tram(random: Random, **place) -> Extrusion:
    color = random.choice([(180, 175, 60), (150, 35, 40), (205, 205, 200), (50, 100, 80)])
    panes = tuple((s, s + 1.7, 1.4, 2.6) for s in (-8.6, -6.5, -4.4, -2.3, -0.2, 1.9, 4.0, 6.1))
    return boxy("train", 18.0, 3.4, 2.4, color, panes, floor=0.2, **place)


def truck(random: Random, **place) -> Extrusion:
    return boxy("truck", 7.5, 3.3, 2.4, materials.car_paint(random), ((2.3, 3.4, 1.7, 2.5),), (-2.3, -1.2, 2.6), 0.55, **place)


def caravan(random: Random, **place) -> Extrusion:
    return boxy("caravan", 5.0, 2.5, 2.2, materials.grey(random, 190, 225), ((-1.6, 1.2, 1.2, 1.9),), (0.0,), **place)


def trailer(random: Random, **place) -> Extrusion:
    return boxy("trailer", 3.0, 1.3, 1.7, materials.grey(random, 70, 140), (), (0.0,), **place)


@dataclass(frozen=True)
class Person(Thing):
    """Somebody on foot; `stride` opens the legs, `facing` is the side they walk to (-1 or 1)."""

    height: float = 1.75
    stride: float = 0.3
    facing: int = 1
    label: str = "person"
    shirt: tuple = (60, 60, 80)
    trousers: tuple = (40, 40, 50)
    tone: tuple = (200, 160, 130)
    lift: float = 0.0  # metres above the ground (a rider sits)

    def footprint(self):
        return [(self.x - 0.25, self.z - 0.2), (self.x + 0.25, self.z - 0.2), (self.x + 0.25, self.z + 0.2),
                (self.x - 0.25, self.z + 0.2)]

    def tall(self):
        return self.height

    def body(self):
        """The outline (sideways, up) in metres, from the crotch round the right leg, the head and the left leg."""
        s, lean = self.stride / 2, 0.02 * self.facing
        points = [(0.0, 0.44), (s - 0.06, 0.02), (s - 0.05, 0.0), (s + 0.11, 0.0), (s + 0.04, 0.05), (0.115, 0.46),
                  (0.12, 0.56), (0.165, 0.47), (0.20, 0.49), (0.155, 0.75), (0.10, 0.815), (0.035, 0.84), (0.06, 0.89),
                  (0.062, 0.95), (0.03, 0.995), (-0.03, 0.995), (-0.062, 0.95), (-0.06, 0.89), (-0.035, 0.84),
                  (-0.10, 0.815), (-0.155, 0.75), (-0.20, 0.49), (-0.165, 0.47), (-0.12, 0.56), (-0.115, 0.46),
                  (-s - 0.05, 0.05), (-s - 0.06, 0.0), (-s + 0.09, 0.0)]
        h = self.height
        return [((a * self.facing + lean * b) * h, b * h + self.lift) for a, b in points]

    def draw(self, canvas):
        polygon = canvas.camera.polygon(upright(self, self.body()))
        with canvas.outline(self.label, polygon) as seen:
            if not seen:
                return
            h, light = self.height, canvas.light((0, 0, -1))

            def band(low, high, color, material, left=-0.28, right=0.28):
                quad = [(left, low), (left, high), (right, high), (right, low)]
                points = upright(self, [(a * h, b * h + self.lift) for a, b in quad])
                canvas.paint(canvas.camera.polygon(points), color, self.z, material, light)

            band(0.0, 0.5, self.trousers, "cloth")
            band(0.0, 0.04, (30, 28, 26), "cloth")
            band(0.47, 0.84, self.shirt, "cloth")
            shade = tuple(int(c * 0.75) for c in self.shirt)
            band(0.47, 0.84, shade, "cloth", 0.06)
            band(0.47, 0.52, self.tone, "plain", right=-0.15)
            band(0.47, 0.52, self.tone, "plain", left=0.15)
            band(0.82, 1.0, self.tone, "plain")
            band(0.94, 1.0, tuple(c // 4 for c in self.tone), "cloth")


def person(random: Random, **place) -> Person:
    return Person(height=random.uniform(1.5, 1.9), stride=random.uniform(0.12, 0.42), facing=random.choice((-1, 1)),
                  shirt=materials.cloth(random), trousers=materials.cloth(random), tone=materials.skin(random), **place)


@dataclass(frozen=True)
class Cycle(Thing):
    """A bicycle or motorcycle seen from the side (or, `turned`, foreshortened), with its rider if there is one."""

    label: str = "bicycle"
    color: tuple = (60, 60, 70)
    turned: float = 1.0  # 1 from the side, 0.3 nearly from behind
    facing: int = 1
    rider: Person | None = None

    def footprint(self):
        return [(self.x - 0.8 * self.turned, self.z - 0.15), (self.x + 0.8 * self.turned, self.z - 0.15),
                (self.x + 0.8 * self.turned, self.z + 0.15), (self.x - 0.8 * self.turned, self.z + 0.15)]

    def draw(self, canvas):
        heavy = self.label == "motorcycle"
        t, f, r = self.turned, self.facing, 0.31 if heavy else 0.34
        thick = 0.1 if heavy else 0.05

        def ring(center, radius):
            return [(center * t * f + max(radius * t, thick) * cos(k * pi / 8), r + radius * sin(k * pi / 8))
                    for k in range(16)]

        upper = ([(-0.9, 0.75), (-0.55, 0.88), (0.1, 0.85), (0.3, 1.0), (0.45, 1.15), (0.62, 0.8)] if heavy else
                 [(-0.3, 0.95), (-0.12, 0.98), (0.35, 0.9), (0.42, 1.05), (0.55, 1.0), (0.5, 0.75)])
        wheels = ring(-0.65, r) + ring(0.65, r)
        frame = [(a * t * f, b) for a, b in upper]
        polygon = hull(canvas.camera.polygon(upright(self, wheels)) + canvas.camera.polygon(upright(self, frame)))
        with canvas.outline(self.label, polygon) as seen:
            if seen:
                light = canvas.light((0, 0, -1))
                canvas.paint(polygon, (70, 70, 72), self.z, "metal", light)  # what is seen between the spokes
                for center in (-0.65, 0.65):
                    canvas.paint(canvas.camera.polygon(upright(self, ring(center, r))), (25, 25, 27), self.z)
                    canvas.paint(canvas.camera.polygon(upright(self, ring(center, r * 0.8))), (95, 95, 97), self.z, "metal", light)
                tubes = [(-0.65, r), (-0.2, 0.9), (0.4, 0.85), (0.65, r), (0.4, 0.7), (0.0, 0.3)]
                if heavy:
                    tubes = [(-0.9, 0.75), (-0.5, 0.86), (0.4, 1.0), (0.65, 0.6), (0.35, 0.25), (-0.45, 0.25)]
                canvas.paint(canvas.camera.polygon(upright(self, [(a * t * f, b) for a, b in tubes])), self.color,
                             self.z, "paint", light)
        if self.rider:
            self.rider.draw(canvas)


def cycle(random: Random, label: str, ridden: bool, **place) -> Cycle:
    """A bicycle or motorcycle, parked or ridden."""
    facing, turned = random.choice((-1, 1)), random.uniform(0.35, 1.0)
    rider = person(random, x=place["x"] - 0.1 * facing, z=place["z"] - 0.02)
    if ridden:
        rider = Person(**{**rider.__dict__, "label": "rider", "lift": 0.28, "height": 1.45, "stride": 0.34})
    return Cycle(label=label, color=materials.car_paint(random), turned=turned, facing=facing,
                 rider=rider if ridden else None, **place)


@dataclass(frozen=True)
class Tree(Thing):
    """A trunk and a crown, both vegetation; a bush has no trunk."""

    height: float = 7.0
    crown: float = 2.4
    color: tuple = (80, 95, 50)
    trunk: float = 2.3

    def footprint(self):
        return [(self.x - 0.9, self.z - 0.9), (self.x + 0.9, self.z - 0.9), (self.x + 0.9, self.z + 0.9), (self.x - 0.9, self.z + 0.9)]

    def tall(self):
        return self.height

    def draw(self, canvas):
        random = self.random()
        if self.trunk > 0.3:
            w = 0.14 + self.height * 0.012
            stem = upright(self, [(-w, 0), (-w * 0.7, self.trunk + 1), (w * 0.7, self.trunk + 1), (w, 0)])
            with canvas.outline("vegetation", canvas.camera.polygon(stem)) as seen:
                if seen:
                    canvas.face(stem, (72, 60, 50), "leaves", (0, 0, -1))
        middle, half = (self.height + self.trunk) / 2, (self.height - self.trunk) / 2
        blob = [(self.crown * cos(k * pi / 14) * random.uniform(0.78, 1.06),
                 max(0.0, middle + half * sin(k * pi / 14) * random.uniform(0.82, 1.06))) for k in range(28)]
        crown = upright(self, blob)
        with canvas.outline("vegetation", canvas.camera.polygon(crown)) as seen:
            if not seen:
                return
            canvas.face(crown, self.color, "leaves", (0, 0, -1))
            side = canvas.sun.direction[0]
            for _ in range(70 if self.z < 45 else 20):
                a, r = random.uniform(0, 2 * pi), random.uniform(0.1, 1.0) ** 0.5
                dx, dy = self.crown * r * cos(a), half * r * sin(a)
                bright = 0.75 + 0.35 * (dy / half) + 0.25 * side * dx / self.crown + random.uniform(-0.2, 0.2)
                color = tuple(max(0, min(255, c * bright * canvas.light((0, 0, -1)))) for c in self.color)
                size = random.uniform(0.08, 0.26) * self.crown
                canvas.disc((self.x + dx, middle + dy, self.z), size, size * 0.7, color, "leaves")


@dataclass(frozen=True)
class Building(Thing):
    """A house beside the road, from z to z + depth; `side` is -1 on the left, 1 on the right."""

    side: int = 1
    length: float = 14.0
    width: float = 12.0
    height: float = 13.0
    color: tuple = (170, 160, 150)
    floors: int = 4
    shop: bool = False
    label: str = "building"

    def distance(self):
        return self.z + self.length * 0.5 + 30  # behind what stands before it

    def footprint(self):
        far = self.x + self.side * self.width
        return [(self.x, self.z), (far, self.z), (far, self.z + self.length), (self.x, self.z + self.length)]

    def tall(self):
        return self.height

    def draw(self, canvas):
        far, h = self.x + self.side * self.width, self.height
        front = [(self.x, 0, self.z), (self.x, h, self.z), (far, h, self.z), (far, 0, self.z)]
        long = [(self.x, 0, self.z), (self.x, h, self.z), (self.x, h, self.z + self.length), (self.x, 0, self.z + self.length)]
        roof_h = h + 2.2
        roof = [(self.x, h, self.z), (self.x + self.side * 3, roof_h, self.z),
                (self.x + self.side * 3, roof_h, self.z + self.length), (self.x, h, self.z + self.length)]
        outline = hull([p for q in (front, long, roof) for p in canvas.camera.polygon(q)])
        random = self.random()
        material = random.choice(("plaster", "plaster", "brick"))
        with canvas.outline(self.label, outline) as seen:
            if not seen:
                return
            canvas.paint(outline, self.color, self.z + self.length / 2, material)
            canvas.face(roof, random.choice([(120, 70, 55), (85, 80, 80), (70, 72, 78)]), "brick", (-self.side * 0.6, 0.8, 0))
            canvas.face(front, self.color, material, (0, 0, -1))
            canvas.face(long, self.color, material, (-self.side, 0, 0))
            self._windows(canvas, random, material)

    def _windows(self, canvas, random, material):
        storey = self.height / self.floors
        normal, trim = (-self.side, 0, 0), tuple(min(255, c + 25) for c in self.color)
        count = max(2, int(self.length / 2.4))
        step = self.length / count
        for floor in range(self.floors):
            low = floor * storey
            shop = self.shop and floor == 0
            for k in range(count):
                z0 = self.z + k * step + step * (0.08 if shop else 0.27)
                z1 = self.z + (k + 1) * step - step * (0.08 if shop else 0.27)
                if z0 < 2.2:
                    continue
                y0, y1 = low + storey * (0.05 if shop else 0.28), low + storey * 0.82
                if floor == 0 and not shop and k % 3 == 1:
                    y0 = 0.0  # a door
                if self.z < 60 and not shop:
                    edge = [(self.x, y0 - 0.15, z0 - 0.15), (self.x, y1 + 0.15, z0 - 0.15), (self.x, y1 + 0.15, z1 + 0.15), (self.x, y0 - 0.15, z1 + 0.15)]
                    canvas.face(edge, trim, material, normal)
                tone = random.integer(28, 75)
                pane = [(self.x, y0, z0), (self.x, y1, z0), (self.x, y1, z1), (self.x, y0, z1)]
                canvas.face(pane, (tone, tone + 4, tone + 9), "glass", normal)
            if shop:
                sign = [(self.x, storey * 0.84, self.z + 0.4), (self.x, storey, self.z + 0.4), (self.x, storey, self.z + self.length - 0.4), (self.x, storey * 0.84, self.z + self.length - 0.4)]
                canvas.face(sign, materials.cloth(random), "paint", normal)
        columns = max(1, int(self.width / 3))
        for floor in range(self.floors):
            for k in range(columns):
                a = self.x + self.side * (k + 0.3) * self.width / columns
                b = self.x + self.side * (k + 0.7) * self.width / columns
                y0, y1 = (floor + 0.3) * storey, (floor + 0.8) * storey
                tone = random.integer(28, 75)
                canvas.face([(a, y0, self.z), (a, y1, self.z), (b, y1, self.z), (b, y0, self.z)],
                            (tone, tone + 4, tone + 9), "glass", (0, 0, -1))


@dataclass(frozen=True)
class Pole(Thing):
    """A pole, with what hangs on it: "lamp", "sign", "light" (a traffic light) or nothing."""

    height: float = 6.0
    radius: float = 0.07
    carries: str = ""
    color: tuple = (110, 112, 112)
    label: str = "pole"

    def tall(self):
        return self.height

    def footprint(self):
        r = self.radius
        return [(self.x - r, self.z - r), (self.x + r, self.z - r), (self.x + r, self.z + r), (self.x - r, self.z + r)]

    def draw(self, canvas):
        r, h = self.radius, self.height
        self._part(canvas, self.label, [(-r, 0), (-r, h), (r, h), (r, 0)], self.color, "metal")
        if self.carries == "lamp":
            arm = 1.6 if self.x < 0 else -1.6
            self._part(canvas, "pole", [(0, h - 0.1), (arm, h + 0.25), (arm, h + 0.4), (0, h + 0.05)], self.color, "metal")
        if self.carries == "sign":
            self._sign(canvas)
        if self.carries == "light":
            self._light(canvas, h - 0.5, 1.0)
            if h > 4:
                self._light(canvas, 2.6, 0.8)

    def _part(self, canvas, label, points, color, material, inside=()):
        polygon = canvas.camera.polygon(upright(self, points))
        with canvas.outline(label, polygon) as seen:
            if seen:
                canvas.paint(polygon, color, self.z, material, canvas.light((0, 0, -1)))
                for shape, tone in inside:
                    canvas.paint(canvas.camera.polygon(upright(self, shape)), tone, self.z)

    def _sign(self, canvas):
        random, top = self.random(), self.height - 0.45
        kind, size = random.integer(0, 3), random.uniform(0.36, 0.5)
        corners = {0: 20, 1: 3, 2: 4, 3: 4}[kind]
        turn = {0: 0.0, 1: pi / 2 if random.chance(0.5) else -pi / 2, 2: pi / 4, 3: 0.0}[kind]

        def shape(scale):
            if kind == 3:
                return [(-1.6 * size * scale, top - 0.45 * scale), (-1.6 * size * scale, top + 0.45 * scale),
                        (1.6 * size * scale, top + 0.45 * scale), (1.6 * size * scale, top - 0.45 * scale)]
            return [(size * scale * cos(turn + k * 2 * pi / corners), top + size * scale * sin(turn + k * 2 * pi / corners))
                    for k in range(corners)]

        rim, middle = random.choice([((170, 25, 30), (225, 225, 222)), ((30, 60, 140), (30, 60, 140)),
                                     ((225, 225, 222), (220, 180, 40)), ((215, 170, 40), (215, 170, 40)),
                                     ((25, 80, 60), (25, 80, 60))])
        bar = [(-size * 0.45, top - 0.07), (-size * 0.45, top + 0.07), (size * 0.45, top + 0.07), (size * 0.45, top - 0.07)]
        ink = (235, 235, 230) if sum(middle) < 300 else (40, 40, 40)
        self._part(canvas, "traffic sign", shape(1.0), rim, "plain", [(shape(0.78), middle), (bar, ink)])

    def _light(self, canvas, y, scale):
        w, hgt = 0.19 * scale, 0.55 * scale
        lit = self.random().integer(0, 2)
        lamps = []
        for k, color in enumerate([(230, 40, 35), (235, 170, 50), (60, 220, 120)]):
            yk = y + hgt * (0.62 - 0.62 * k)
            tone = color if k == lit else tuple(c // 5 for c in color)
            lamps.append(([(0.12 * scale * cos(a * pi / 5), yk + 0.12 * scale * sin(a * pi / 5)) for a in range(10)], tone))
        self._part(canvas, "traffic light", [(-w, y - hgt), (-w, y + hgt), (w, y + hgt), (w, y - hgt)], (28, 30, 30), "plain", lamps)


@dataclass(frozen=True)
class Barrier(Thing):
    """A long low thing along the road: fence, wall, guard rail, hedge; or across it, from x to x2."""

    label: str = "fence"
    length: float = 12.0
    height: float = 1.2
    color: tuple = (120, 120, 120)
    across: bool = False

    def ends(self):
        b = (self.x + self.length, self.z) if self.across else (self.x, self.z + self.length)
        return (self.x, self.z), b

    def distance(self):
        return self.z + (0.0 if self.across else self.length * 0.5 + 20)  # beside the road: behind what is on it

    def footprint(self):
        (x0, z0), (x1, z1) = self.ends()
        return [(x0, z0), (x1 + 0.15, z0), (x1 + 0.15, z1 + 0.15), (x0, z1)]

    def tall(self):
        return self.height

    def draw(self, canvas):
        (x0, z0), (x1, z1) = self.ends()
        low = self.height * 0.45 if self.label == "guard rail" else 0.0
        quad = [(x0, low, z0), (x0, self.height, z0), (x1, self.height, z1), (x1, low, z1)]
        normal = (0, 0, -1) if self.across else (1.0 if self.x < 0 else -1.0, 0, 0)
        polygon = canvas.camera.polygon(quad)
        with canvas.outline(self.label, polygon) as seen:
            if not seen:
                return
            material = {"vegetation": "leaves", "wall": "brick"}.get(self.label, "metal")
            if self.label != "fence":
                canvas.face(quad, self.color, material, normal)
                if self.label == "wall":
                    cap = [(x0, self.height * 0.93, z0), (x0, self.height, z0), (x1, self.height, z1), (x1, self.height * 0.93, z1)]
                    canvas.face(cap, tuple(min(255, c + 30) for c in self.color), "plaster", normal)
                return
            canvas.face(quad, tuple(c // 2 + 30 for c in self.color), "leaves", normal)  # what shows through
            count = max(4, int(self.length / 0.35))
            for k in range(count + 1):
                t, d = k / count, 0.06 / self.length
                a, b = [(x0 + s * (x1 - x0), z0 + s * (z1 - z0)) for s in (t, t + d)]
                canvas.face([(a[0], 0, a[1]), (a[0], self.height, a[1]), (b[0], self.height, b[1]), (b[0], 0, b[1])],
                            self.color, "metal", normal)
            for y in (0.12, 0.9):
                canvas.face([(x0, y * self.height, z0), (x0, (y + 0.07) * self.height, z0), (x1, (y + 0.07) * self.height, z1), (x1, y * self.height, z1)],
                            self.color, "metal", normal)


@dataclass(frozen=True)
class Slab(Thing):
    """A box without a class of its own that is scored: bin, bench, box (static, dynamic), or a bridge overhead."""

    label: str = "static"
    width: float = 0.6
    low: float = 0.0
    high: float = 1.1
    color: tuple = (90, 90, 85)

    def footprint(self):
        if self.low > 0:
            return None
        return [(self.x, self.z), (self.x + self.width, self.z), (self.x + self.width, self.z + 0.5), (self.x, self.z + 0.5)]

    def draw(self, canvas):
        quad = [(self.x, self.low, self.z), (self.x, self.high, self.z), (self.x + self.width, self.high, self.z), (self.x + self.width, self.low, self.z)]
        canvas.surface(self.label, quad, tuple(int(c * canvas.light((0, 0, -1))) for c in self.color), "plaster")


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
        steps = [self.z + self.length * (k / 16) ** 2 for k in range(17)]
        left = [(self.left + self.curve * z * z, 0.0, z) for z in steps]
        right = [(self.right + self.curve * z * z, 0.0, z) for z in reversed(steps)]
        if self.painted:
            canvas.paint(canvas.camera.polygon(left + right), self.color, self.z, self.material)
        else:
            canvas.surface(self.label, left + right, self.color, self.material)


@dataclass(frozen=True)
class Ego(Thing):
    """The bonnet of the recording car, and the borders that rectification leaves: all void."""

    rise: int = 60
    border: int = 6
    color: tuple = (30, 32, 34)
    reflections: tuple = field(default=((0.3, 60), (0.55, 45)))

    def draw(self, canvas):
        hood = [(0, 1023), (0, 1010 - self.rise // 4), (350, 1000 - self.rise), (1024, 985 - self.rise), (1700, 1000 - self.rise), (2047, 1010 - self.rise // 4), (2047, 1023)]
        with canvas.outline("ego vehicle", hood):
            canvas.paint(hood, self.color, 2.0, "paint")
            for t, tone in self.reflections:
                u = int(2048 * t)
                canvas.paint([(u, 1023), (u + 60, 950), (u + 150, 950), (u + 130, 1023)], (tone, tone, tone + 4), 2.0, "glass")
        b = self.border
        for name, polygon in (("rectification border", [(0, 0), (b, 0), (b - 3, 1023), (0, 1023)]),
                              ("rectification border", [(2047, 0), (2047 - b, 0), (2050 - b, 1023), (2047, 1023)]),
                              ("out of roi", [(0, 0), (2047, 0), (2047, 4), (0, 4)])):
            with canvas.outline(name, polygon):
                canvas.paint(polygon, (0, 0, 0), 2.0)

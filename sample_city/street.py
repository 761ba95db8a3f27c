"""What is where on a street: layout, houses, trees, vehicles, people, placed at random. Nothing is
drawn here.
"""

from dataclasses import replace
from math import pi

from sample_city import vehicles
from sample_city.camera import Random
from sample_city.houses import Building
from sample_city.materials import gray, leaf, plaster
from sample_city.objects import Barrier, Pole, Slab, Strip, Tree, Wire
from sample_city.people import cycle, person
from sample_city.thing import scaled


class Street:
    """Builds the ground and the objects of one scene, step by step."""

    def __init__(self, random: Random, theme: str):
        self.random, self.theme, r = random, theme, random
        self.curve = r.choice((0.0, 0.0, r.uniform(-1, 1) / 700, r.uniform(-1, 1) / 350))
        # From the camera's axis to the kerb, in meters
        self.edges = {
            -1: r.uniform(4.2, 7.0),
            1: r.uniform(2.7, 4.4),
        }
        # A road that crosses, at this distance
        self.crossing = r.choice((None, None, r.uniform(24, 45)))
        self.square = r.chance(0.12)
        self.walks = {}
        self.zebra = None
        self.ground = []
        self.things = []
        self.put = self.things.append

    def at(self, x: float, z: float) -> dict:
        """Keywords that place a thing beside the (curved) axis, with a seed of its own."""
        return {"x": x + self.curve * z * z, "z": z, "seed": self.random.integer(0, 2**31)}

    def kerb(self, side: int, beyond: float = 0.0) -> float:
        """x of the kerb of a side (-1 left, 1 right), or of a line so many meters beyond it."""
        return side * (self.edges[side] + beyond)

    def strip(
        self, label, a, b, z=2, length=150.0, color=(0, 0, 0), material="asphalt", curved=True
    ) -> None:
        """A strip of ground between x = a and b; without a label it is paint."""
        self.ground.append(
            Strip(
                label=label,
                left=min(a, b),
                right=max(a, b),
                z=z,
                length=length,
                color=color,
                material=material,
                curve=self.curve if curved else 0.0,
            )
        )

    def open_here(self, z: float, room: float = 7.0) -> bool:
        """Whether the crossing road passes at this distance."""
        return self.crossing is not None and abs(z - self.crossing) < room

    def lay_ground(self) -> None:
        """Soil, pavements, road, rails, parking, markings."""
        r, strip, kerb, asphalt = self.random, self.strip, self.kerb, gray(self.random, 82, 128, 4)
        base, tone = r.choice(
            (
                ("terrain", leaf(r)),
                ("terrain", (120, 110, 85)),
                ("sidewalk", gray(r, 100, 150)),
                ("ground", gray(r, 95, 135)),
            )
        )
        strip(base, -90, 90, 2, 900, tone, "grass" if base == "terrain" else "paving", curved=False)
        for side in (-1, 1):
            self.walks[side], stone = r.uniform(3.4, 6.4), gray(r, 100, 160, 6)
            strip(
                "sidewalk", kerb(side), kerb(side, self.walks[side]), color=stone, material="paving"
            )
            strip(
                "",
                kerb(side),
                kerb(side, 0.16),
                color=tuple(s + 18 for s in stone),
                material="marking",
            )
        strip("road", -self.edges[-1], self.edges[1], 2, 220, asphalt)
        self.wear(asphalt)
        if self.theme == "tram" or r.chance(0.08):
            strip(
                "rail track",
                -5.6,
                -2.6,
                color=gray(r, 85, 130),
                material=r.choice(("asphalt", "gravel", "grass")),
            )
            for x in (-5.3, -3.3):
                self.put(Wire(x=x + 0.5, z=6.0, curve=self.curve, length=110))
            for z in range(18, 110, 27):  # masts of the catenary
                self.put(
                    Pole(
                        **self.at(-self.edges[-1] - 0.5, z),
                        height=6.2,
                        radius=0.09,
                        carries="wires",
                        arm=self.edges[-1] - 3.0,
                        color=gray(r, 60, 110, 4),
                    )
                )
            for x in (-5.0, -3.4):
                strip("", x, x + 0.12, color=(150, 150, 152), material="marking")
        if self.theme == "parking" or r.chance(0.15):
            side = r.choice((-1, 1))
            strip(
                "parking",
                kerb(side, -2.2),
                kerb(side),
                r.uniform(2, 9),
                40,
                gray(r, 85, 140),
                "paving",
            )
        if self.crossing:
            strip("road", -60, 60, self.crossing - 3.5, 8, asphalt, curved=False)
        white = gray(r, 165, 205, 4)
        for z in range(3, 90, 6):  # dashes between the lanes
            strip("", -1.75, -1.6, z, 3, white, "marking")
        if self.crossing and r.chance(0.7) or self.theme == "crowd":
            self.zebra = (self.crossing - 7) if self.crossing else r.uniform(11, 18)
            x = -self.edges[-1] + 0.3
            while x < self.edges[1] - 0.5:
                strip("", x, x + 0.5, self.zebra, 3.4, white, "marking")
                x += 1.0

    def wear(self, asphalt) -> None:
        """What years do to a road: darker wheel tracks, patches, seams, manhole covers, gutters;
        all of it paint.
        """
        r, left, right = self.random, -self.edges[-1], self.edges[1]

        def worn(a, b, z, length, shade, material="asphalt"):
            self.strip("", a, b, z, length, scaled(asphalt, shade), material)

        for x in (-4.2, -2.6, -0.9, 0.7):
            worn(x, x + 0.55, 2, 120, r.uniform(0.93, 0.97))
        for _ in range(r.integer(1, 4)):
            x, z = r.uniform(left, right - 1.5), r.uniform(4, 35)
            worn(x, x + r.uniform(0.7, 2.2), z, r.uniform(1.5, 12), r.uniform(0.84, 1.1))
        for _ in range(r.integer(2, 5)):
            x = r.uniform(left, right)
            worn(x, x + 0.035, r.uniform(2, 20), r.uniform(5, 40), 0.7)
        for _ in range(r.integer(1, 4)):
            x, z = r.uniform(left + 0.3, right - 0.8), r.uniform(5, 22)
            worn(x, x + 0.62, z, 0.6, 0.72, "paving")
        for side in (-1, 1):
            worn(self.kerb(side, -0.3), self.kerb(side), 2, 120, r.uniform(0.82, 0.95), "paving")

    def tree(self, x: float, z: float, heights, crowns, trunks) -> None:
        r, place = self.random, self.at(x, z)
        self.put(
            Tree(
                **place,
                height=r.uniform(*heights),
                crown=r.uniform(*crowns),
                color=leaf(r),
                trunk=r.uniform(*trunks),
            )
        )

    def line_sides(self) -> None:
        """Verges, trees, walls and houses on both sides; trees and houses that close the view."""
        r = self.random
        for side in (-1, 1):
            inner = self.edges[side] + self.walks[side]
            verge = r.uniform(12, 20) if self.square else r.choice((0.0, 0.0, 0.4, 3.5, 5.5, 7.5))
            verge = r.uniform(5, 9) if self.theme == "parking" and side < 0 else verge
            outer = inner + verge
            if verge > 1:
                soil, label, kind = r.choice((leaf(r), (115, 105, 80))), "terrain", "grass"
                if self.square:
                    soil, label, kind = gray(r, 100, 160), "sidewalk", "paving"
                self.strip(label, side * inner, side * outer, 2, 120, soil, kind)
            green = r.chance(0.24)  # a park instead of houses
            if green:
                self.strip("terrain", side * outer, side * (outer + 30), 2, 140, leaf(r), "grass")
            z, gap = r.uniform(1.8, 5), 1.0
            while z < 150:
                length = r.uniform(9, 20)
                if (
                    self.open_here(z, 6)
                    or self.open_here(z + length, 6)
                    or self.open_here(z + length / 2, 9)
                ):
                    z, gap = z + 4, 1.0
                    continue
                if green:
                    for _ in range(3):
                        x = side * (outer + r.uniform(1, 9))
                        self.tree(x, z + r.uniform(0, length), (6, 14), (2.0, 4.0), (0.2, 2.4))
                else:
                    self.put(
                        Building(
                            **self.at(side * (outer + 0.2 + r.uniform(0, 0.5)), z),
                            side=side,
                            length=length,
                            width=r.uniform(9, 16),
                            height=r.uniform(13, 28),
                            color=plaster(r),
                            floors=r.integer(4, 7),
                            shop=r.chance(0.4),
                            open_front=gap > 0 or self.curve != 0,
                            scaffold=r.chance(0.06 if self.theme != "fence" else 0.25),
                        )
                    )
                gap = r.choice((0.0, 0.0, 0.0, r.uniform(2, 8)))
                z += length + gap
            alley, z = r.chance(0.5), r.uniform(5, 14)
            while alley and z < 110:  # an avenue
                if not self.open_here(z):
                    self.tree(
                        self.kerb(side, r.uniform(0.5, 1.0)), z, (6, 10), (1.5, 2.7), (2.0, 2.8)
                    )
                z += r.uniform(8, 16)
            self.barrier(side, inner)
        for k in range(24):  # what closes the view far away
            place = self.at(-110 + k * 9.5 + r.uniform(-4, 4), r.uniform(150, 210))
            if r.chance(0.5):
                self.put(
                    Tree(
                        **place,
                        height=r.uniform(11, 19),
                        crown=r.uniform(7, 11),
                        color=leaf(r),
                        trunk=-7.0,
                    )
                )
            else:
                self.put(
                    Building(
                        **place, length=10, width=17, height=r.uniform(14, 28), color=plaster(r)
                    )
                )

    def barrier(self, side: int, inner: float) -> None:
        """A fence, wall, hedge or guard rail along one side, always on the themes that are named
        after it.
        """
        r = self.random
        wanted = {"wall": "wall", "fence": "fence", "parking": "guard rail"}.get(self.theme)
        if wanted is None and not r.chance(0.25):
            return
        if wanted and self.theme != "parking":
            label = wanted if side > 0 or r.chance(0.4) else r.choice(("fence", "vegetation"))
        else:
            label = r.choice(("fence", "vegetation", "vegetation", *([wanted] if wanted else ())))
        z, length = r.uniform(3, 8), r.uniform(10, 24)
        heights = {
            "wall": r.uniform(1.5, 2.6),
            "fence": r.uniform(1.0, 2.0),
            "vegetation": r.uniform(0.9, 1.8),
        }
        color = {"wall": plaster(r), "vegetation": leaf(r)}.get(label, gray(r, 60, 170))
        # Between road and pavement
        near = label == "guard rail" or self.theme == label or r.chance(0.3)
        x = self.kerb(side, 0.3) if near else side * (inner + 0.1)
        self.put(
            Barrier(
                **self.at(x, z),
                label=label,
                length=length,
                height=heights.get(label, 0.8),
                color=color,
            )
        )

    def park(self) -> None:
        """Cars along the kerbs and on the lanes."""
        r, car = self.random, vehicles.car
        for side in (-1, 1):
            if r.chance(0.8 if self.theme in ("wall", "fence") else 0.35):
                continue
            z = r.uniform(7, 16)
            while z < 90:
                if (
                    not self.open_here(z, 9)
                    and not (self.zebra and abs(z - self.zebra) < 5)
                    and r.chance(0.72)
                ):
                    self.put(
                        car(
                            r,
                            **self.at(self.kerb(side, -1.0), z + 2),
                            heading=0.0 if side > 0 else pi,
                        )
                    )
                z += r.uniform(5.3, 7.5)
        for x, heading, near in ((-0.1, 0.0, 14), (-3.4, pi, 13)):
            if self.theme == "motorcycle" and x > -1:
                continue
            z = r.uniform(near, 40)
            while z < 120:
                if r.chance(0.6):
                    self.put(
                        car(
                            r,
                            **self.at(x + r.uniform(-0.2, 0.2), z),
                            heading=heading + 2 * self.curve * z,
                        )
                    )
                z += r.uniform(12, 45)
        if self.crossing and r.chance(0.7):
            place = self.at(r.uniform(-7, 7), self.crossing + 0.5)
            self.put(car(r, **place, heading=r.choice((-1, 1)) * pi / 2))

    def furnish(self) -> None:
        """Poles with what they carry, bins and boxes, a bridge."""
        r, put, at, kerb = self.random, self.put, self.at, self.kerb
        for side in (-1, 1):
            z = r.uniform(6, 14)
            while z < 100:
                x = kerb(side, r.uniform(0.25, 0.6))
                kind = r.choice(("lamp", "sign", "sign", "", "lamp"))
                height = {
                    "lamp": r.uniform(5, 8),
                    "sign": r.uniform(2.3, 3.3),
                    "": r.uniform(1.0, 6),
                }[kind]
                put(
                    Pole(
                        **at(x, z),
                        height=height,
                        carries=kind,
                        radius=r.uniform(0.05, 0.1),
                        color=gray(r, 60, 150, 4),
                        label="polegroup" if r.chance(0.02) else "pole",
                    )
                )
                z += r.uniform(7, 20)
            if r.chance(0.3):
                put(
                    Pole(
                        **at(kerb(side, 0.4), r.uniform(7.5, 11)),
                        height=r.uniform(2.4, 2.9),
                        carries="sign",
                        color=gray(r, 60, 150),
                    )
                )
            if r.chance(0.35):
                put(
                    Slab(
                        **at(kerb(side, 0.9), r.uniform(9, 30)),
                        label=r.choice(("static", "static", "dynamic")),
                        width=r.uniform(0.4, 1.6),
                        high=r.uniform(0.6, 1.3),
                        color=gray(r, 50, 130, 20),
                    )
                )
        if self.theme == "lights" or self.crossing:
            far = self.crossing - 6 if self.crossing else r.uniform(8, 11)
            near = r.uniform(7.3, 8.5) if self.theme == "lights" else far
            for side, z in ((1, near), (-1, near + 1), (1, far + 14), (-1, far + 14)):
                x = side * (min(2.6, self.edges[side]) if z < 10 else self.edges[side] + 0.3)
                put(
                    Pole(
                        **at(x, z),
                        height=2.65 if z < 10 else r.choice((3.4, 5.4)),
                        carries="light",
                        radius=0.08,
                        color=gray(r, 50, 120),
                        arm=-side * 2.6 if z >= 10 and r.chance(0.6) else 0.0,
                    )
                )
        if self.theme in ("wall", "parking") and r.chance(0.6):
            place = at(0.0, r.uniform(55, 90))
            put(Slab(**place, label="bridge", width=80, low=5.0, high=6.6, color=gray(r, 100, 150)))

    def construct(self) -> None:
        """A building site on one side of the road: red and white boards, cones, a heap."""
        r, put, at = self.random, self.put, self.at
        if not (self.theme == "fence" or r.chance(0.12)):
            return
        side = r.choice((-1, 1))
        z = r.uniform(13, 22)
        board = {"label": "fence", "height": 1.15, "stripes": True}
        x, kerb = self.edges[side] - 2.4, self.edges[side]
        put(
            Barrier(
                **at(min(side * x, side * kerb), z),
                length=2.4,
                across=True,
                color=gray(r, 120, 160),
                **board,
            )
        )
        put(Barrier(**at(side * x, z), length=r.uniform(8, 14), color=gray(r, 120, 160), **board))
        for k in range(4):
            place = at(side * (x - 0.3 + 0.2 * k), z - 2.2 * k - 1.5)
            put(
                Slab(**place, label="dynamic", width=0.36, high=0.6, taper=0.7, color=(172, 70, 46))
            )
        put(
            Slab(
                **at(side * (x + 1.3), z + 4),
                label="dynamic",
                width=1.9,
                high=0.9,
                taper=0.6,
                color=(128, 112, 88),
            )
        )

    def people(self) -> None:
        """Those on foot, alone and in pairs, and bicycles on the road and on the pavements."""
        r, put, at = self.random, self.put, self.at
        for _ in range(r.integer(3, 12) + (8 if self.theme == "crowd" else 0)):
            side = r.choice((-1, 1))
            x, z = self.kerb(side, r.uniform(0.5, self.walks[side])), r.uniform(9, 60)
            if self.theme == "crowd" and self.zebra and r.chance(0.6):
                x, z = r.uniform(-self.edges[-1], self.edges[1]), self.zebra + r.uniform(0.2, 3)
            somebody = person(r, **at(x, z))
            put(somebody)
            if r.chance(0.35):  # two who walk together
                other = person(r, **at(x + r.uniform(0.45, 0.7), z + r.uniform(-0.3, 0.3)))
                put(replace(other, facing=somebody.facing, view=somebody.view))
        for _ in range(r.integer(0, 2)):
            ridden, x = r.chance(0.5), r.choice((-1, 1)) * r.uniform(2.3, 3.2)
            put(cycle(r, "bicycle", ridden, **at(x, r.uniform(12, 40))))
        for _ in range(r.integer(0, 4)):
            x = self.kerb(r.choice((-1, 1)), r.uniform(0.6, 1.5))
            put(cycle(r, "bicycle", False, **at(x, r.uniform(8, 35))))

    def special(self) -> None:
        """What this frame is about, near enough to be learned from; and now and then a rare thing
        besides.
        """
        r = self.random
        put = self.put
        at = self.at
        side = self.random.choice((-1, 1))
        theme = self.theme
        if theme == "tram":
            put(vehicles.tram(r, **at(-4.2, r.uniform(26, 40)), heading=0.0))
        elif theme in ("bus", "truck"):
            kind, lane, near = (
                (vehicles.bus, 0.3, (23, 34)) if theme == "bus" else (vehicles.truck, 0.2, (22, 30))
            )
            x = r.choice((-3.5, lane, self.edges[1] - 1.2))
            put(kind(r, **at(x, r.uniform(*near)), heading=pi if x < -1 else 0.0))
        elif theme == "motorcycle":
            put(cycle(r, theme, True, True, **at(side * r.uniform(0.8, 1.3), r.uniform(7.8, 9.2))))
            put(cycle(r, theme, False, **at(self.kerb(-side, 0.5), r.uniform(10, 16))))
        elif theme == "bicycle":
            put(cycle(r, theme, True, True, **at(side * r.uniform(1.2, 2.0), r.uniform(7.5, 9.5))))
            for k in range(4):
                put(cycle(r, theme, k == 0, **at(self.kerb(-side, 0.4), r.uniform(8, 20))))
        elif theme == "parking":
            put(vehicles.caravan(r, **at(self.edges[1] - 0.9, r.uniform(14, 20)), heading=0.0))
            put(vehicles.trailer(r, **at(-self.edges[-1] + 1.0, r.uniform(12, 20)), heading=pi))
        for kind in (vehicles.truck, vehicles.bus):
            if r.chance(0.1):
                put(kind(r, **at(-3.5, r.uniform(35, 70)), heading=pi))
        if r.chance(0.2):
            put(cycle(r, "motorcycle", r.chance(0.6), **at(r.uniform(-3, 2), r.uniform(12, 30))))

    def clear(self) -> list:
        """The things in order of age, without vehicles that would stand inside another one placed
        before them.
        """
        kept, taken = [], []
        for thing in sorted(
            self.things, key=lambda t: not isinstance(t, vehicles.Vehicle) or t.label == "car"
        ):
            if isinstance(thing, vehicles.Vehicle):
                xs, zs = zip(*thing.footprint())
                a, b, c, d = min(xs), max(xs), min(zs) - 0.6, max(zs) + 0.6
                if c < 6.5 or any(
                    a < right and left < b and c < far and near < d
                    for left, right, near, far in taken
                ):
                    continue
                taken.append((a, b, c, d))
            kept.append(thing)
        return kept

"""People, and the bicycles and motorcycles that some of them ride: drawn in a plane that faces the
camera.
"""

from dataclasses import dataclass, replace
from math import cos, pi, sin

from sample_city.camera import Random
from sample_city.materials import SHAPES, car_paint, cloth, hair, skin
from sample_city.thing import Pen, Thing, rect, round_, scaled


def head(x: float, y: float, size: float):
    """The outline of a head from the chin over the crown to the nape, facing right."""
    return [
        (x + 0.98 * size * cos(a * pi / 9), y + 1.12 * size * sin(a * pi / 9))
        for a in range(-3, 13)
    ]


def moved(points, *by) -> list:
    """Points (x, y, a, b, ...) of shapes.json as (x + a * by[0] + b * by[1] + ..., y)."""
    return [(x + sum(k * d for k, d in zip(more, by)), y) for x, y, *more in points]


def mirrored(points) -> list:
    return [(-a, b) for a, b in points[::-1]]


@dataclass(frozen=True)
class Person(Thing):
    """Somebody on foot; `facing` is the side they walk to (-1 or 1), `view` how they are seen."""

    height: float = 1.75
    stride: float = 0.3
    facing: int = 1
    label: str = "person"
    shirt: tuple = (60, 60, 80)
    trousers: tuple = (40, 40, 50)
    tone: tuple = (200, 160, 130)
    hair: tuple = (50, 40, 32)
    view: str = "side"  # side, front or back
    long_coat: bool = False
    long_hair: bool = False
    bag: str = ""  # backpack, handbag or nothing
    child: bool = False

    def footprint(self):
        return self.around(0.25, 0.2)

    def body(self, neck: float):
        """The outline (sideways, up) as shares of the height, from between the legs round the front
        and the head.
        """
        s, start = self.stride / 2, (0.0, 0.3 if self.long_coat else 0.46)
        top = head(0.0, neck + (0.1 if self.child else 0.09), 0.088 if self.child else 0.066)
        if self.view == "side":
            shape = SHAPES["walker from the side"]
            back = [(-0.18, 0.76), (-0.17, 0.60)] if self.bag == "backpack" else [(-0.09, 0.66)]
            return [
                start,
                *moved(shape["front"], s),
                (0.05, neck - 0.025),
                (0.035, neck),
                *top,
                (-0.04, neck),
                (-0.07, neck - 0.04),
                *back,
                *moved(shape["rear"], s),
            ]
        side = [*moved(SHAPES["walker from the front"], s), (0.09, neck - 0.03), (0.035, neck)]
        other = mirrored(side)
        if self.bag == "handbag":
            other[5:6] = [(-0.17, 0.47), (-0.2, 0.42), (-0.2, 0.33), (-0.12, 0.33)]
        return [start, *side, *top, *other]

    def draw(self, canvas):
        pen = Pen(canvas, self, self.facing, self.height)
        s = self.stride / 2
        neck = 0.80 if self.child else 0.845
        with canvas.outline(self.label, pen.polygon(self.body(neck))) as seen:
            if not seen:
                return

            def wear(points, color, factor=1.0):
                pen.fill(points, scaled(color, factor), "cloth")

            wear(rect(-0.4, 0, 0.4, 0.52), self.trousers)
            leg = [(0.0, 0.5), (-0.1, 0.5), (-s - 0.08, 0), (-s + 0.06, 0), (-s * 0.3 + 0.03, 0.27)]
            wear(
                leg if self.view == "side" else [(0.0, 0.5), (0.0, 0), (0.3, 0), (0.3, 0.5)],
                self.trousers,
                0.75,
            )
            wear(rect(-0.4, 0, 0.4, 0.035), self.hair, 0.8)
            low, sleeve = 0.29 if self.long_coat else 0.49, scaled(self.shirt, 0.88)
            wear(
                [(-0.13, low), (-0.16, 0.7), (-0.1, neck), (0.1, neck), (0.16, 0.7), (0.13, low)],
                self.shirt,
            )
            wear(
                [(0.03, low), (0.05, neck), (0.16, 0.74), (0.13, low)]
                if pen.sunny < 0
                else [(-0.13, low), (-0.16, 0.74), (-0.05, neck), (-0.03, low)],
                self.shirt,
                0.78,
            )
            if self.view == "side":
                if self.bag == "backpack":
                    wear([(-0.06, 0.6), (-0.06, 0.79), (-0.2, 0.79), (-0.2, 0.58)], self.hair, 1.3)
                a = s * 0.75
                pen.tube(
                    [(0.0, 0.77), (0.02 + a * 0.4, 0.62), (a + 0.03, 0.5)], 0.065, sleeve, "cloth"
                )
                pen.disc((a + 0.035, 0.465), 0.024, self.tone)
            else:
                for k in (-1, 1):
                    pen.tube(
                        [(k * 0.115, 0.76), (k * 0.145, 0.63), (k * 0.148, 0.52)],
                        0.05,
                        sleeve,
                        "cloth",
                    )
                    pen.disc((k * 0.15, 0.475), 0.024, self.tone)
                if self.bag == "backpack" and self.view == "back":
                    wear([(-0.09, 0.56), (-0.1, 0.76), (0.1, 0.76), (0.09, 0.56)], self.hair, 1.4)
                if self.bag == "handbag":
                    wear(rect(-0.22, 0.32, -0.12, 0.43), self.hair, 1.2)
                if self.view == "front":
                    wear(
                        [(-0.03, neck + 0.01), (0.0, neck - 0.09), (0.03, neck + 0.01)],
                        (150, 150, 150),
                    )
            face(pen, (0.0, neck + 0.09), 0.1 if self.child else 0.072, self)


def face(pen, at, size, who, helmet=None, low=0.0):
    """Skin, hair by view, perhaps a helmet down to `low` head sizes."""

    def fill(points, color, material="cloth"):
        pen.fill([(at[0] + a * size, at[1] + b * size) for a, b in points], color, material)

    fill([(-0.6, -2), (-1.2, 1.4), (1.2, 1.4), (0.6, -2)], who.tone, "plain")
    fill([(-1.5, 0.45), (1.3, 0.5), (1.2, 1.6), (-1.4, 1.6)], who.hair)
    if who.view != "front":
        down, edge = -1.9 if who.long_hair else -0.75, 1.4 if who.view == "back" else -0.05
        fill([(-1.5, down), (-1.5, 1), (edge, 1), (edge, -0.2), (edge - 0.4, down)], who.hair)
    elif who.long_hair:
        for k in (-1, 1):
            fill([(k * 0.62, -1.2), (k * 0.62, 1), (k * 1.4, 1), (k * 1.3, -1.2)], who.hair)
    if helmet:
        fill([(-1.5, low), (1.3, low + 0.15), (1.2, 1.8), (-1.4, 1.8)], helmet, "paint")


def person(random: Random, **place) -> Person:
    child = random.chance(0.14)
    return Person(
        height=random.uniform(1.0, 1.4) if child else random.uniform(1.55, 1.92),
        child=child,
        stride=random.uniform(0.12, 0.46),
        facing=random.choice((-1, 1)),
        shirt=cloth(random),
        trousers=cloth(random, 0.8),
        tone=skin(random),
        hair=hair(random),
        view=random.choice(("side", "side", "side", "front", "back")),
        long_coat=random.chance(0.25),
        long_hair=random.chance(0.4),
        bag=random.choice(("", "", "backpack", "handbag")),
        **place,
    )


@dataclass(frozen=True)
class Cycle(Thing):
    """A bicycle or motorcycle seen from the side (or, `turned`, nearly from behind), and its rider
    if it has one.
    """

    label: str = "bicycle"
    color: tuple = (60, 60, 70)
    turned: float = 1.0  # 1 from the side, 0.25 nearly from behind
    facing: int = 1
    basket: bool = False
    rider: Person | None = None

    def footprint(self):
        return self.around(0.85 * self.turned, 0.15)

    def draw(self, canvas):
        pen, heavy = Pen(canvas, self, self.facing * self.turned), self.label == "motorcycle"
        r, tyre, axle = (0.31, 0.1, 0.68) if heavy else (0.34, 0.05, 0.6)
        bar = 0.27 / max(0.25, self.turned) * (1 - self.turned)  # half the handlebar, as it shows
        axle, fat = axle * (1.0 if self.turned > 0.5 else 0.35), tyre * (1 / self.turned - 1)
        rear = [(-axle - r * sin(k * pi / 8) - fat, r - r * cos(k * pi / 8)) for k in range(8)]
        front = [(axle + r * sin(k * pi / 8) + fat, r + r * cos(k * pi / 8)) for k in range(9)]
        top, low = (moved(points, bar) for points in SHAPES["cycle outlines"][self.label])
        with canvas.outline(self.label, pen.polygon([*rear, *top, *front, *low])) as seen:
            if seen:
                for x in (-axle, axle):
                    self._wheel(pen, x, r, heavy)
                extra = [] if heavy else SHAPES["basket" if self.basket else "rack"]
                for how, size, tone, material, points in SHAPES[self.label] + extra:
                    points = moved(points, bar, axle)
                    tone = tone if isinstance(tone, list) else scaled(self.color, tone)
                    if how == "fill":
                        pen.fill(points, tone, material)
                    else:
                        getattr(pen, how)(
                            points if how == "tube" else points[0], size, tone, material
                        )
        if self.rider:
            self._rider(canvas, self.rider)

    def _wheel(self, pen, x, r, heavy):
        """A tyre, a hub; spokes and a mudguard if it is a bicycle's, a brake if not."""
        rim = r - 0.04 if heavy else r
        ring = [*round_(x, rim, rim, 24), (x + rim, rim)]
        pen.tube(ring, 0.13 if heavy else 0.055, (24, 24, 25))
        if not heavy and self.z < 30:
            for a in (k * pi / 6 for k in range(6)):
                spoke = [(x + t * 0.9 * r * cos(a), r + t * 0.9 * r * sin(a)) for t in (1, -1)]
                pen.tube(spoke, 0.008, (128, 130, 131), "metal")
            pen.tube(
                [(x + (a - x) * 0.9, r + (b - r) * 0.9) for a, b in ring],
                0.016,
                (120, 122, 124),
                "metal",
            )
        pen.disc((x, rim), 0.035, (70, 71, 72))
        if heavy:
            pen.disc((x, r), 0.15, (92, 94, 95))
        else:
            pen.tube(round_(x, r, 1.1 * r, 16)[3:12], 0.03, scaled(self.color, 0.6), "paint")

    def _rider(self, canvas, who):
        """The one who sits on it: from the side bent to the handlebar, or from behind."""
        side, up = self.turned > 0.5, 0.0 if self.label == "bicycle" else -0.1
        k, pedal = who.height / 1.75, 0.16 * who.stride
        pen = Pen(canvas, self, self.facing * (self.turned if side else 1.0))
        helmet = who.bag == "backpack" or self.label == "motorcycle"
        nape = 1.42 * k + up
        hand = (0.42, 1.08)
        size, neck = 0.15 if helmet else 0.13, 0.08 * k if side else 0.0
        at, foot = (neck + (0.1 if side else 0.0), nape + 0.14), 0.2 + pedal
        if side:
            outline = [
                (-0.34, 0.9 + up),
                (-0.32, 1.15 + up),
                (-0.08, nape - 0.02),
                (neck - 0.02, nape + 0.06),
                *head(neck + 0.1, nape + 0.145, size)[::-1],
                (neck + 0.1, nape - 0.04),
                (0.36, 1.2),
                (0.5, 1.13),
                (0.48, 1.03),
                (0.36, 1.04),
                (0.16, 1.12),
                (0.1, 0.98 + up),
                (0.36, 0.8 + up),
                (0.36, 0.66 + up),
                (0.2, 0.4 + pedal),
                (0.24, 0.22 + pedal),
                (0.24, 0.16 + pedal),
                (-0.02, 0.16 + pedal),
                (0.04, 0.42 + pedal),
                (0.12, 0.64 + up),
                (-0.12, 0.76 + up),
            ]
        else:
            half = [
                (0.1, 0.86 + up),
                (0.24, 0.74 + up),
                (0.19, 0.45),
                (0.2, foot),
                (0.26, foot),
                (0.31, 0.5),
                (0.31, 0.8 + up),
                (0.22, 0.98 + up),
                (0.3, 1.06),
                (0.36, 1.12),
                (0.28, 1.3 + up),
                (0.2, nape - 0.06),
                (0.06, nape + 0.03),
            ]
            outline = [(0.0, 0.8 + up), *half, *head(0.0, nape + 0.135, size), *mirrored(half)]
        with canvas.outline("rider", pen.polygon(outline)) as seen:
            if not seen:
                return
            pen.fill(rect(-0.5, 0, 0.5, 0.95 + up), who.trousers, "cloth")
            if side:
                back = [(-0.36, 0.88 + up), (-0.36, 1.2)]
                pen.fill(
                    [*back, (-0.1, nape + 0.02), (0.16, nape + 0.02), (0.1, 0.94 + up)],
                    who.shirt,
                    "cloth",
                )
                pen.fill(
                    [*back, (-0.2, nape - 0.2), (-0.22, 0.9 + up)], scaled(who.shirt, 0.8), "cloth"
                )
                pen.tube(
                    [(-0.2, 0.93 + up), (0.26, 0.72 + up), (0.06, foot)],
                    0.15,
                    scaled(who.trousers, 1.2),
                    "cloth",
                )
                pen.tube([(0.06 - 0.04, foot), (0.06 + 0.2, foot)], 0.08, (32, 31, 30))
                pen.tube(
                    [(0.06, nape - 0.08), (0.2, 1.18), hand], 0.1, scaled(who.shirt, 0.85), "cloth"
                )
                pen.disc(hand, 0.05, who.tone)
            else:
                pen.fill(rect(-0.5, 0.9 + up, 0.5, nape + 0.03), who.shirt, "cloth")
                for k in (-1, 1):
                    arm = [(k * 0.2, nape - 0.1), (k * 0.29, 1.2), (k * 0.33, 1.1)]
                    pen.tube(arm, 0.09, scaled(who.shirt, 0.8), "cloth")
                    pen.disc((k * 0.34, 1.09), 0.045, who.tone)
                    pen.tube(
                        [(k * 0.2, 0.22 + pedal), (k * 0.28, 0.22 + pedal)], 0.09, (32, 31, 30)
                    )
                pen.fill(rect(-0.05, 0.75 + up, 0.05, 0.9 + up), (25, 25, 25))
            paint = self.color if sum(self.color) > 200 else (170, 170, 165)
            face(
                pen,
                at,
                size,
                who,
                paint if helmet else None,
                0.3 if self.label == "bicycle" else -0.2,
            )


def cycle(random: Random, label: str, ridden: bool, sideways: bool = False, **place) -> Cycle:
    """A bicycle or motorcycle, parked or ridden."""
    turned = random.choice((0.25, 0.32, 0.9, random.uniform(0.75, 1.0)))
    turned = max(turned, 0.85) if sideways else turned
    who = replace(
        person(random, x=place["x"], z=place["z"]),
        height=random.uniform(1.62, 1.85),
        child=False,
        view="side" if turned > 0.5 else "back",
    )
    return Cycle(
        label=label,
        color=car_paint(random, 0.5),
        turned=turned,
        facing=random.choice((-1, 1)),
        basket=random.chance(0.3),
        rider=who if ridden else None,
        **place,
    )

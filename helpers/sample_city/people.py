"""People, and the bicycles and motorcycles that some of them ride: drawn in a plane that faces the camera."""
from dataclasses import dataclass
from math import cos, pi, sin

from helpers.sample_city import materials
from helpers.sample_city.camera import Random
from helpers.sample_city.objects import Pen, Thing, scaled


def head(x: float, y: float, size: float = 0.07):
    """The outline of a head from the nape over the crown to the chin (12 points, facing right)."""
    return [(x + 0.98 * size * cos(a * pi / 9), y + 1.12 * size * sin(a * pi / 9)) for a in range(12, -4, -1)]


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

    def tall(self):
        return self.height

    def body(self):
        """The outline (sideways, up) as shares of the height, clockwise from between the legs."""
        s, crotch, size = self.stride / 2, 0.3 if self.long_coat else 0.46, 0.088 if self.child else 0.066
        neck = 0.845 if not self.child else 0.80
        top = head(0.0, neck + 0.09 if not self.child else neck + 0.1, size)
        if self.view == "side":
            a = s * 0.75
            pack = [(-0.17, 0.60), (-0.18, 0.76)] if self.bag == "backpack" else [(-0.09, 0.66)]
            lower = [(0.0, crotch), (s * 0.4 - 0.01, 0.26), (s - 0.035, 0.05), (s - 0.035, 0.0), (s + 0.09, 0.0),
                     (s + 0.09, 0.025), (s + 0.025, 0.06), (s * 0.6 + 0.05, 0.28), (0.085, 0.48)]
            arm = [(a + 0.02, 0.44), (a + 0.06, 0.47), (0.075 + a * 0.5, 0.62)]
            rear = [(-0.095, 0.5), (-s * 0.55 - 0.055, 0.28), (-s - 0.06, 0.09), (-s - 0.05, 0.03), (-s + 0.03, 0.0),
                    (-s + 0.05, 0.02), (-s + 0.0, 0.07), (-s * 0.35 + 0.02, 0.27)]
            return [*lower, *arm, (0.085, 0.74), (0.05, neck - 0.025), (0.035, neck), *top[::-1], (-0.04, neck),
                    (-0.07, neck - 0.04), *pack[::-1], *rear]
        s *= 0.45
        side = [(s * 0.5 + 0.01, 0.25), (s + 0.0, 0.03), (s - 0.005, 0.0), (s + 0.075, 0.0), (s + 0.07, 0.05),
                (0.085 + s * 0.6, 0.27), (0.105, 0.5), (0.135, 0.455), (0.165, 0.47), (0.158, 0.63), (0.13, 0.79), (0.09, neck - 0.03),
                (0.035, neck)]
        other = [(-a, b) for a, b in side[::-1]]
        if self.bag == "handbag":
            other[5:6] = [(-0.17, 0.47), (-0.2, 0.42), (-0.2, 0.33), (-0.12, 0.33)]
        return [(0.0, crotch), *side, *top[::-1], *other]

    def draw(self, canvas):
        pen = Pen(canvas, self, self.facing, self.height)
        with canvas.outline(self.label, pen.polygon(self.body())) as seen:
            if not seen:
                return
            s, side, neck = self.stride / 2, self.view == "side", 0.80 if self.child else 0.845
            dark = scaled(self.trousers, 0.75)
            pen.fill([(-0.4, 0), (-0.4, 0.52), (0.4, 0.52), (0.4, 0)], self.trousers, "cloth")
            if side:
                pen.fill([(0.0, 0.5), (-0.1, 0.5), (-s - 0.08, 0), (-s + 0.06, 0), (-s * 0.3 + 0.03, 0.27)], dark, "cloth")
            else:
                pen.fill([(0.0, 0.5), (0.0, 0), (0.3, 0), (0.3, 0.5)], dark, "cloth")
            pen.fill([(-0.4, 0), (-0.4, 0.035), (0.4, 0.035), (0.4, 0)], scaled(self.hair, 0.8), "cloth")
            low = 0.29 if self.long_coat else 0.49
            pen.fill([(-0.13, low), (-0.16, 0.7), (-0.1, neck), (0.1, neck), (0.16, 0.7), (0.13, low)], self.shirt, "cloth")
            pen.fill([(0.03, low), (0.05, neck), (0.16, 0.74), (0.13, low)] if pen.sunny < 0 else
                     [(-0.13, low), (-0.16, 0.74), (-0.05, neck), (-0.03, low)], scaled(self.shirt, 0.78), "cloth")
            sleeve = scaled(self.shirt, 0.88)
            if side:
                a = s * 0.75
                if self.bag == "backpack":
                    pen.fill([(-0.06, 0.6), (-0.06, 0.79), (-0.2, 0.79), (-0.2, 0.58)], scaled(self.hair, 1.3), "cloth")
                pen.tube([(0.0, 0.77), (0.02 + a * 0.4, 0.62), (a + 0.03, 0.5)], 0.065, sleeve, "cloth")
                pen.disc((a + 0.035, 0.465), 0.024, self.tone)
            else:
                for k in (-1, 1):
                    pen.tube([(k * 0.115, 0.76), (k * 0.145, 0.63), (k * 0.148, 0.52)], 0.05, sleeve, "cloth")
                    pen.disc((k * 0.15, 0.475), 0.024, self.tone)
                if self.bag == "backpack" and self.view == "back":
                    pen.fill([(-0.09, 0.56), (-0.1, 0.76), (0.1, 0.76), (0.09, 0.56)], scaled(self.hair, 1.4), "cloth")
                if self.bag == "handbag":
                    pen.fill([(-0.22, 0.32), (-0.22, 0.43), (-0.12, 0.43), (-0.12, 0.32)], scaled(self.hair, 1.2), "cloth")
                if self.view == "front":
                    pen.fill([(-0.03, neck + 0.01), (0.0, neck - 0.09), (0.03, neck + 0.01)], (150, 150, 150), "cloth")
            face(pen, (0.0, neck + 0.09), 0.1 if self.child else 0.072, self)


def face(pen, at, size, who):
    """Skin, hair by view, a shaded side."""
    x, y = at
    pen.fill([(x - 0.6 * size, y - 2 * size), (x - 1.2 * size, y + 1.4 * size), (x + 1.2 * size, y + 1.4 * size),
              (x + 0.6 * size, y - 2 * size)], who.tone)
    back = {"side": 0.1, "front": 2.0, "back": -2.0}[who.view]
    pen.fill([(x - 1.5 * size, y + 0.45 * size), (x + 1.3 * size, y + 0.5 * size), (x + 1.2 * size, y + 1.6 * size),
              (x - 1.4 * size, y + 1.6 * size)], who.hair, "cloth")
    if back < 1:
        low = -1.9 if who.long_hair else -0.75
        edge = 1.4 if who.view == "back" else -0.05
        pen.fill([(x - 1.5 * size, y + low * size), (x - 1.5 * size, y + size), (x + edge * size, y + size),
                  (x + edge * size, y - 0.2 * size), (x + (edge - 0.4) * size, y + low * size)], who.hair, "cloth")
    elif who.long_hair:
        for k in (-1, 1):
            pen.fill([(x + k * 0.62 * size, y - 1.2 * size), (x + k * 0.62 * size, y + size), (x + k * 1.4 * size, y + size),
                      (x + k * 1.3 * size, y - 1.2 * size)], who.hair, "cloth")


def person(random: Random, **place) -> Person:
    child = random.chance(0.14)
    return Person(height=random.uniform(1.0, 1.4) if child else random.uniform(1.55, 1.92), child=child,
                  stride=random.uniform(0.12, 0.46), facing=random.choice((-1, 1)), shirt=materials.cloth(random),
                  trousers=materials.cloth(random, 0.8), tone=materials.skin(random), hair=materials.hair(random),
                  view=random.choice(("side", "side", "side", "front", "back")), long_coat=random.chance(0.25),
                  long_hair=random.chance(0.4), bag=random.choice(("", "", "backpack", "handbag")), **place)


@dataclass(frozen=True)
class Cycle(Thing):
    """A bicycle or motorcycle seen from the side (or, `turned`, nearly from behind), and its rider if it has one."""

    label: str = "bicycle"
    color: tuple = (60, 60, 70)
    turned: float = 1.0  # 1 from the side, 0.25 nearly from behind
    facing: int = 1
    basket: bool = False
    rider: Person | None = None

    def footprint(self):
        return self.around(0.85 * self.turned, 0.15)

    def draw(self, canvas):
        pen = Pen(canvas, self, self.facing * self.turned)
        heavy, r = self.label == "motorcycle", 0.31 if self.label == "motorcycle" else 0.34
        bar = 0.27 / max(0.25, self.turned) * (1 - self.turned)  # half the handlebar, as it shows
        d = (0.68 if heavy else 0.6) * (1.0 if self.turned > 0.5 else 0.35)
        fat = (0.05 if not heavy else 0.1) * (1 / self.turned - 1)  # tyres have a width
        arc = [(cos(k * pi / 8), sin(k * pi / 8)) for k in range(17)]
        rear = [(-d - r * sin(k * pi / 8) - fat, r - r * cos(k * pi / 8)) for k in range(8)]
        front = [(d + r * sin(k * pi / 8) + fat, r + r * cos(k * pi / 8)) for k in range(9)]
        if heavy:
            top = [(-0.95, 0.82), (-0.6, 0.93), (-0.1, 0.86), (0.15, 1.0), (0.25 - bar, 1.16), (0.45 + bar, 1.16), (0.62, 0.9)]
            low = [(0.4, 0.14), (-0.35, 0.14)]
        else:
            top = [(-0.5, 0.78), (-0.36, 0.98), (-0.06, 0.98), (0.3, 0.9), (0.34 - bar, 1.1), (0.5 + bar, 1.1), (0.6, 0.85)]
            low = [(0.12, 0.16), (-0.12, 0.16)]
        with canvas.outline(self.label, pen.polygon([*rear, *top, *front, *low])) as seen:
            if seen:
                (self._motorcycle if heavy else self._bicycle)(canvas, pen, r, d, bar, arc)
        if self.rider:
            Rider(self, self.rider).draw(canvas)

    def _wheel(self, pen, x, r, width, spokes):
        ring = [(x + r * cos(k * pi / 12), r + r * sin(k * pi / 12)) for k in range(25)]
        pen.tube(ring, width, (24, 24, 25))
        if spokes and self.z < 30:
            for k in range(6):
                a = k * pi / 6
                pen.tube([(x + 0.9 * r * cos(a), r + 0.9 * r * sin(a)), (x - 0.9 * r * cos(a), r - 0.9 * r * sin(a))],
                         0.008, (128, 130, 131), "metal")
            pen.tube([(x + (a - x) * 0.9, r + (b - r) * 0.9) for a, b in ring], 0.016, (120, 122, 124), "metal")
        pen.disc((x, r), 0.035, (70, 71, 72))

    def _bicycle(self, canvas, pen, r, d, bar, arc):
        for x in (-d, d):
            self._wheel(pen, x, r, 0.055, True)
            pen.tube([(x + 1.1 * r * a, r + 1.1 * r * b) for a, b in arc[3:12]], 0.03, scaled(self.color, 0.6), "paint")
        crank, seat, stem, fork = (-0.06, 0.3), (-0.2, 0.86), (0.36, 0.86), (d, r)
        for points in ([(-d, r), crank, (-0.2, 0.8), (-d, r)], [crank, (0.4, 0.68)], [(-0.18, 0.76), stem],
                       [(0.34, 1.0), stem, fork], [crank, seat]):
            pen.tube(points, 0.05, self.color, "paint")
        pen.tube([(-0.34, 0.94), (-0.06, 0.93)], 0.09, (30, 29, 28))
        pen.tube([(0.4 - bar, 1.04), (0.34, 1.03), (0.46 + bar, 1.05)], 0.045, (40, 41, 42), "metal")
        pen.disc(crank, 0.09, (60, 61, 62))
        pen.tube([(-0.02, 0.18), (-0.1, 0.42)], 0.03, (80, 81, 82), "metal")
        pen.disc((-d - 0.2, 0.72), 0.045, (150, 30, 28))
        pen.disc((0.5, 0.9), 0.045, (200, 200, 190))
        if self.basket:
            pen.fill([(0.42, 0.8), (0.38, 1.04), (0.8, 1.04), (0.74, 0.8)], (96, 84, 66), "leaves")
        else:
            pen.tube([(-0.3, 0.74), (-0.85, 0.74)], 0.035, (60, 61, 62), "metal")

    def _motorcycle(self, canvas, pen, r, d, bar, arc):
        for x in (-d, d):
            self._wheel(pen, x, r - 0.04, 0.13, False)
            pen.disc((x, r), 0.15, (92, 94, 95))
        pen.tube([(d, r), (0.36, 1.0)], 0.07, (118, 120, 122), "metal")
        pen.fill([(-0.5, 0.2), (-0.45, 0.62), (0.35, 0.62), (0.42, 0.22)], (48, 49, 50), "metal")  # engine
        pen.disc((-0.05, 0.38), 0.13, (95, 96, 97), "metal")
        pen.tube([(0.2, 0.25), (-0.85, 0.34)], 0.08, (135, 137, 139), "metal")
        pen.fill([(-0.98, 0.78), (-0.6, 0.62), (0.3, 0.6), (0.5, 0.72), (0.42, 0.92), (0.14, 1.0), (-0.14, 0.8)], self.color, "paint")
        pen.fill([(0.1, 0.92), (0.14, 1.0), (0.42, 0.92), (0.42, 0.88)], scaled(self.color, 1.3), "paint")
        pen.tube([(-0.85, 0.86), (-0.5, 0.86), (-0.12, 0.82)], 0.11, (28, 28, 28))
        pen.fill([(0.4, 0.78), (0.36, 1.1), (0.5, 1.12), (0.62, 0.85)], scaled(self.color, 0.8), "paint")
        pen.disc((0.56, 0.88), 0.08, (215, 215, 205))
        pen.tube([(0.3 - bar, 1.1), (0.36, 1.08), (0.42 + bar, 1.1)], 0.05, (30, 30, 31))
        pen.fill([(d - 0.3, 0.55), (d - 0.1, 0.68), (d + 0.2, 0.64), (d + 0.3, 0.5)], self.color, "paint")
        pen.disc((-0.95, 0.76), 0.05, (160, 28, 26))


@dataclass(frozen=True)
class Rider:
    """Draws the one who sits on a cycle: from the side bent to the handlebar, or from behind."""

    cycle: Cycle
    who: Person

    def draw(self, canvas):
        c, who = self.cycle, self.who
        side, up = c.turned > 0.5, 0.0 if c.label == "bicycle" else -0.1
        pen = Pen(canvas, c, c.facing * (c.turned if side else 1.0))
        k, pedal = who.height / 1.75, 0.16 * who.stride
        helmet = who.bag == "backpack" or c.label == "motorcycle"
        hip, size = (-0.2, 0.93 + up), 0.13 if not helmet else 0.15
        if side:
            neck, hand, knee, foot = (0.08 * k, 1.42 * k + up), (0.42, 1.08), (0.26, 0.72 + up), (0.06, 0.2 + pedal)
            top = [(x, y) for x, y in head(neck[0] + 0.1, neck[1] + 0.145, size)]
            outline = [(-0.34, 0.9 + up), (-0.32, 1.15 + up), (-0.08, neck[1] - 0.02), (neck[0] - 0.02, neck[1] + 0.06), *top,
                       (neck[0] + 0.1, neck[1] - 0.04), (0.36, 1.2), (0.5, 1.13), (0.48, 1.03), (0.36, 1.04),
                       (0.16, 1.12), (0.1, 0.98 + up), (0.36, 0.8 + up), (0.36, 0.66 + up), (0.2, 0.4 + pedal),
                       (0.24, 0.22 + pedal), (0.24, 0.16 + pedal), (-0.02, 0.16 + pedal), (0.04, 0.42 + pedal),
                       (0.12, 0.64 + up), (-0.12, 0.76 + up)]
        else:
            neck = (0.0, 1.42 * k + up)
            half = [(0.1, 0.86 + up), (0.24, 0.74 + up), (0.19, 0.45), (0.2, 0.2 + pedal), (0.26, 0.2 + pedal), (0.31, 0.5),
                    (0.31, 0.8 + up), (0.22, 0.98 + up), (0.3, 1.06), (0.36, 1.12), (0.28, 1.3 + up), (0.2, neck[1] - 0.06), (0.06, neck[1] + 0.03)]
            outline = [(0.0, 0.8 + up), *half, *head(0.0, neck[1] + 0.135, size)[::-1], *[(-a, b) for a, b in half[::-1]]]
        with canvas.outline("rider", pen.polygon(outline)) as seen:
            if not seen:
                return
            pen.fill([(-0.5, 0), (-0.5, 0.95 + up), (0.5, 0.95 + up), (0.5, 0)], who.trousers, "cloth")
            at = (neck[0] + (0.1 if side else 0.0), neck[1] + 0.14)
            if side:
                pen.fill([(-0.36, 0.88 + up), (-0.36, 1.2), (-0.1, neck[1] + 0.02), (0.16, neck[1] + 0.02), (0.1, 0.94 + up)],
                         who.shirt, "cloth")
                pen.fill([(-0.36, 0.88 + up), (-0.36, 1.2), (-0.2, neck[1] - 0.2), (-0.22, 0.9 + up)], scaled(who.shirt, 0.8), "cloth")
                pen.tube([hip, knee, foot], 0.15, scaled(who.trousers, 1.2), "cloth")
                pen.tube([(foot[0] - 0.04, foot[1]), (foot[0] + 0.2, foot[1])], 0.08, (32, 31, 30))
                pen.tube([(0.06, neck[1] - 0.08), (0.2, 1.18), hand], 0.1, scaled(who.shirt, 0.85), "cloth")
                pen.disc(hand, 0.05, who.tone)
            else:
                pen.fill([(-0.5, 0.9 + up), (-0.5, neck[1] + 0.03), (0.5, neck[1] + 0.03), (0.5, 0.9 + up)], who.shirt, "cloth")
                for side_ in (-1, 1):
                    pen.tube([(side_ * 0.2, neck[1] - 0.1), (side_ * 0.29, 1.2), (side_ * 0.33, 1.1)], 0.09, scaled(who.shirt, 0.8), "cloth")
                    pen.disc((side_ * 0.34, 1.09), 0.045, who.tone)
                    pen.tube([(side_ * 0.2, 0.22 + pedal), (side_ * 0.28, 0.22 + pedal)], 0.09, (32, 31, 30))
                pen.fill([(-0.05, 0.75 + up), (-0.05, 0.9 + up), (0.05, 0.9 + up), (0.05, 0.75 + up)], (25, 25, 25))
            face(pen, at, size, who)
            if helmet:
                x, y = at
                low = 0.3 if c.label == "bicycle" else -0.2
                pen.fill([(x - 1.5 * size, y + low * size), (x + 1.3 * size, y + (low + 0.15) * size), (x + 1.2 * size, y + 1.8 * size),
                          (x - 1.4 * size, y + 1.8 * size)], c.color if sum(c.color) > 200 else (170, 170, 165), "paint")


def cycle(random: Random, label: str, ridden: bool, sideways: bool = False, **place) -> Cycle:
    """A bicycle or motorcycle, parked or ridden."""
    turned = random.choice((0.25, 0.32, 0.9, random.uniform(0.75, 1.0)))
    turned = max(turned, 0.85) if sideways else turned
    who = person(random, x=place["x"], z=place["z"])
    fields = {**who.__dict__, "height": random.uniform(1.62, 1.85), "child": False, "view": "side" if turned > 0.5 else "back"}
    return Cycle(label=label, color=materials.car_paint(random, 0.5), turned=turned, facing=random.choice((-1, 1)),
                 basket=random.chance(0.3), rider=Person(**fields) if ridden else None, **place)

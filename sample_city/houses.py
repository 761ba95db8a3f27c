"""Houses: facades with windows, doors, shops, balconies, a roof with chimneys."""

from dataclasses import dataclass

from sample_city.camera import hull
from sample_city.materials import cloth
from sample_city.thing import Thing, mixed, scaled

ROOFS = [(104, 78, 66), (84, 82, 80), (74, 76, 78), (96, 84, 74), (112, 86, 70)]
FRAMES = [(172, 172, 166), (180, 178, 170), (74, 66, 58), (60, 64, 64)]
SHUTTERS = [(70, 88, 74), (98, 72, 58), (84, 92, 98), (120, 116, 106)]
DOORS = [(70, 56, 46), (58, 66, 62), (80, 80, 78)]
RAIL, STEEL = (66, 68, 68), (140, 142, 144)


@dataclass(frozen=True)
class Building(Thing):
    """A house beside the road, from z to z + length; `side` is -1 on the left, 1 on the right."""

    side: int = 1
    length: float = 14.0
    width: float = 12.0
    height: float = 13.0
    color: tuple = (170, 160, 150)
    floors: int = 4
    shop: bool = False
    label: str = "building"
    scaffold: bool = False
    open_front: bool = True  # whether a gap before it shows the face towards the camera

    def distance(self):
        return self.z + self.length * 0.5 + 30  # behind what stands before it

    def footprint(self):
        far, end = self.x + self.side * self.width, self.z + self.length
        return [(self.x, self.z), (far, self.z), (far, end), (self.x, end)]

    def draw(self, canvas):
        x = self.x
        h = self.height
        z = self.z
        end = self.z + self.length
        s = self.side
        random = self.random()
        far, pitch, slope = x + s * self.width, random.choice((0.4, 2.2, 3.4)), x + s * 3.2
        top, front = h + pitch, [(x, 0, z), (x, h, z), (far, h, z), (far, 0, z)]
        long = [(x, 0, z), (x, h, z), (x, h, end), (x, 0, end)]
        roof = [(x, h, z), (slope, top, z), (slope, top, end), (x, h, end)]
        gable = [(x, h, z), (slope, top, z), (far - s * 3.2, top, z), (far, h, z)]
        tiles = random.choice(ROOFS)
        for _ in range(random.integer(0, 3) if pitch > 1 else 0):  # chimneys
            c = random.uniform(z + 1, end - 1)
            w = random.uniform(0.3, 0.6)
            a = x + s * random.uniform(2, 4)
            chimney = [(a - w, h, c), (a - w, top + 1.3, c), (a + w, top + 1.3, c), (a + w, h, c)]
            canvas.surface(
                self.label, chimney, scaled((112, 92, 82), canvas.light((0, 0, -1))), "stone"
            )
        outline = hull([p for q in (front, long, roof, gable) for p in canvas.camera.polygon(q)])
        material = random.choice(("plaster", "plaster", "plaster", "stone"))
        with canvas.outline(self.label, outline) as seen:
            if not seen:
                return
            canvas.paint(outline, scaled(tiles, 0.8), z + self.length / 2, material)
            for face, normal in ((roof, (-s * 0.6, 0.8, 0)), (gable, (0, 0.3, -0.9))):
                canvas.face(face, tiles, "stone", normal)
            for face, normal in ((front, (0, 0, -1)), (long, (-s, 0, 0))):
                canvas.face(face, self.color, material, normal)
            for seen_along in [True] * (z < 120) + [False] * self.open_front:
                self._facade(canvas, random, material, seen_along)

    def _facade(self, canvas, random, material, long: bool):
        """The side along the road or the one towards the camera; t along, y up, in meters."""
        s, size, normal = (
            self.side,
            *((self.length, (-self.side, 0, 0)) if long else (self.width, (0, 0, -1))),
        )
        near, color, tall = self.z < 55 and long, self.color, self.height

        def quad(t0, t1, y0, y1, tone, kind=material):
            t0, t1 = max(t0, 0.0), min(t1, size)
            if not (long and self.z + t0 < 1.7):
                (a, c), (b, d) = (
                    ((self.x, self.z + t) if long else (self.x + s * t, self.z)) for t in (t0, t1)
                )
                canvas.face([(a, y0, c), (a, y1, c), (b, y1, d), (b, y0, d)], tone, kind, normal)

        storey, trim = tall / self.floors, mixed(color, (190, 188, 180), 0.5)
        count = max(1, int(size / random.uniform(2.1, 3.0)))
        step, wide, share = size / count, random.uniform(0.18, 0.27), random.uniform(0.42, 0.58)
        frame = random.choice(FRAMES)
        shutters = random.choice(SHUTTERS) if random.chance(0.3) else None
        balcony = random.integer(0, count - 1) if random.chance(0.5) and self.floors > 3 else -1
        shop = self.shop and (long or random.chance(0.5))
        quad(0, size, 0, 0.7, scaled(color, 0.72), "stone")
        quad(0, size, tall - 0.35, tall, trim)
        quad(0, size, tall - 0.45, tall - 0.35, scaled(color, 0.6))
        if random.chance(0.5) or shop:
            quad(0, size, storey - 0.18, storey, trim)
            quad(0, size, storey - 0.24, storey - 0.18, scaled(color, 0.65))
        if random.chance(0.3):
            quad(0, size, 0.7, storey - 0.24, mixed(color, (120, 116, 110), 0.5), "stone")
        if shop:
            self._shop(random, quad, storey, size)
        for floor in range(1 if shop else 0, self.floors):
            low = floor * storey + storey * 0.3
            high = low + storey * share
            for k in range(count):
                a, b = (k + 0.5 - wide) * step, (k + 0.5 + wide) * step
                if floor == 0 and k % 4 == 1:  # a door
                    quad(a - 0.12, b + 0.12, 0, high + 0.1, trim)
                    quad(a, b, 0, high, random.choice(DOORS), "bark")
                    quad(a + 0.15, b - 0.15, high * 0.55, high - 0.15, (38, 42, 44), "glass")
                    continue
                if near:
                    quad(a - 0.14, b + 0.14, low - 0.08, high + 0.14, trim)
                    quad(a - 0.2, b + 0.2, low - 0.16, low - 0.08, scaled(trim, 1.1))
                    quad(a - 0.2, b + 0.2, low - 0.26, low - 0.16, scaled(color, 0.68))
                    quad(a, b, low, high, frame)
                    for c, d in (
                        ((a - 0.55 * (b - a), a - 0.05), (b + 0.05, b + 0.55 * (b - a)))
                        if shutters
                        else ()
                    ):
                        quad(c, d, low, high, shutters, "bark")
                tone, middle, edge = random.integer(26, 58), (a + b) / 2, 0.07 if near else 0.0
                panes = ((a + edge, middle - edge / 2), (middle + edge / 2, b - edge))
                for c, d in panes if self.z < 30 or not long else ((a + edge, b - edge),):
                    quad(c, d, low + edge, high - edge, (tone, tone + 5, tone + 6), "glass")
                style = random.integer(0, 6)
                if near and style == 0:  # curtains
                    quad(
                        a + 0.1,
                        a + 0.4 * (b - a),
                        low + 0.08,
                        high - 0.08,
                        (128, 128, 120),
                        "cloth",
                    )
                elif near and style == 1:  # a blind
                    down = low + random.uniform(0.3, 0.8) * (high - low)
                    quad(a + 0.07, b - 0.07, down, high - 0.05, (140, 138, 128))
                elif near and style < 5:  # the sky in it
                    sky = scaled(canvas.sky_low, 0.42)
                    quad(
                        a + 0.08,
                        middle - 0.05,
                        low + 0.55 * (high - low),
                        high - 0.08,
                        sky,
                        "glass",
                    )
                if near and k == balcony and floor > 0:
                    quad(a - 0.5, b + 0.5, low - 0.5, low - 0.32, scaled(trim, 0.8))
                    for c in (a - 0.5 + j * (b - a + 0.95) / 11 for j in range(12)):
                        quad(c, c + 0.05, low - 0.4, low + 0.5, RAIL, "metal")
                    quad(a - 0.5, b + 0.5, low + 0.46, low + 0.54, RAIL, "metal")
        if long and self.z < 80:
            quad(size - 0.2, size - 0.08, 0, tall, scaled(color, 0.7), "metal")  # a drainpipe
        if self.scaffold and long:
            for k in range(int(size / 2) + 1):
                quad(k * 2.0, k * 2.0 + 0.08, 0, tall, STEEL, "metal")
            for y in (floor * storey for floor in range(self.floors + 1)):
                quad(0, size, y, y + 0.1, (136, 118, 88), "bark")
                quad(0, size, y + 1.0, y + 1.06, STEEL, "metal")

    def _shop(self, random, quad, storey, size):
        """On the ground floor large windows with goods, a sign with letters, perhaps an awning."""
        quad(0, size, 0, storey - 0.24, scaled(self.color, 0.5), "stone")
        board = random.choice(
            [
                cloth(random),
                (52, 54, 56),
                (150, 146, 136),
                (118, 58, 52),
                (56, 78, 96),
                (64, 84, 66),
            ]
        )
        bays, lintel = max(1, int(size / 3.4)), storey * 0.74
        for k in range(bays):
            a, b, lamp = k * size / bays + 0.2, (k + 1) * size / bays - 0.2, random.integer(0, 45)
            quad(a, b, 0.35, lintel, (46 + lamp, 46 + lamp, 40 + lamp), "glass")
            for _ in range(4):
                c = random.uniform(a, b - 0.5)
                d, y = c + random.uniform(0.2, 0.5), random.uniform(0.7, 1.6)
                quad(c, d, 0.4, y, scaled(cloth(random), 0.7), "glass")
            quad(a, b, lintel - 0.5, lintel, (66, 72, 74), "glass")
            quad(a, a + 0.9, 0.05, storey * 0.7, (40, 44, 46), "glass")
            quad(a + 0.9, a + 0.98, 0.05, lintel, (112, 112, 110), "metal")
        quad(0.1, size - 0.1, storey * 0.75, storey - 0.26, board, "paint")
        ink = (196, 196, 186) if sum(board) < 360 else (50, 50, 50)
        t = random.uniform(0.5, size * 0.3)
        for _ in range(random.integer(5, 9)):
            w = random.uniform(0.16, 0.34)
            if t + w < size - 0.5:
                quad(t, t + w, storey * 0.79, storey * 0.79 + random.uniform(0.25, 0.38), ink)
            t += w + 0.1
        if random.chance(0.4):
            fabric = cloth(random)
            for k in range(int(size / 0.6)):
                color = fabric if k % 2 else (176, 174, 164)
                quad(k * 0.6, k * 0.6 + 0.6, storey * 0.58, storey * 0.75, color, "cloth")

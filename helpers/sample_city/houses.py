"""Houses: facades with windows, doors, shops, balconies, a roof with dormers and chimneys."""
from dataclasses import dataclass

from helpers.sample_city import materials
from helpers.sample_city.camera import hull
from helpers.sample_city.objects import Thing, mixed, scaled


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
        far = self.x + self.side * self.width
        return [(self.x, self.z), (far, self.z), (far, self.z + self.length), (self.x, self.z + self.length)]

    def tall(self):
        return self.height

    def draw(self, canvas):
        x, h, z, end, s = self.x, self.height, self.z, self.z + self.length, self.side
        far, random = x + s * self.width, self.random()
        pitch = random.choice((0.4, 2.2, 3.4))
        front = [(x, 0, z), (x, h, z), (far, h, z), (far, 0, z)]
        long = [(x, 0, z), (x, h, z), (x, h, end), (x, 0, end)]
        roof = [(x, h, z), (x + s * 3.2, h + pitch, z), (x + s * 3.2, h + pitch, end), (x, h, end)]
        gable = [(x, h, z), (x + s * 3.2, h + pitch, z), (far - s * 3.2, h + pitch, z), (far, h, z)]
        tiles = random.choice([(104, 78, 66), (84, 82, 80), (74, 76, 78), (96, 84, 74), (112, 86, 70)])
        for _ in range(random.integer(0, 3) if pitch > 1 else 0):  # chimneys
            c, w = random.uniform(z + 1, end - 1), random.uniform(0.3, 0.6)
            a = x + s * random.uniform(2, 4)
            canvas.surface(self.label, [(a - w, h, c), (a - w, h + pitch + 1.3, c), (a + w, h + pitch + 1.3, c), (a + w, h, c)],
                           scaled((112, 92, 82), canvas.light((0, 0, -1))), "stone")
        outline = hull([p for q in (front, long, roof, gable) for p in canvas.camera.polygon(q)])
        material = random.choice(("plaster", "plaster", "plaster", "stone"))
        with canvas.outline(self.label, outline) as seen:
            if not seen:
                return
            canvas.paint(outline, scaled(tiles, 0.8), z + self.length / 2, material)
            canvas.face(roof, tiles, "stone", (-s * 0.6, 0.8, 0))
            canvas.face(gable, tiles, "stone", (0, 0.3, -0.9))
            canvas.face(front, self.color, material, (0, 0, -1))
            canvas.face(long, self.color, material, (-s, 0, 0))
            if self.z < 120:
                self._facade(canvas, random, material, "long")
            if self.open_front:
                self._facade(canvas, random, material, "front")

    def _facade(self, canvas, random, material, which):
        """One side of the house, in facade coordinates: t along (metres), y up."""
        s, long = self.side, which == "long"
        normal, size = ((-s, 0, 0), self.length) if long else ((0, 0, -1), self.width)
        near = self.z < 55 and long

        def quad(t0, t1, y0, y1, color, kind=material):
            t0, t1 = max(t0, 0.0), min(t1, size)
            if long:
                if self.z + t0 < 1.7:
                    return
                points = [(self.x, y0, self.z + t0), (self.x, y1, self.z + t0), (self.x, y1, self.z + t1), (self.x, y0, self.z + t1)]
            else:
                a, b = self.x + s * t0, self.x + s * t1
                points = [(a, y0, self.z), (a, y1, self.z), (b, y1, self.z), (b, y0, self.z)]
            canvas.face(points, color, kind, normal)

        storey, trim = self.height / self.floors, mixed(self.color, (190, 188, 180), 0.5)
        count = max(1, int(size / random.uniform(2.1, 3.0)))
        step, wide, tall = size / count, random.uniform(0.18, 0.27), random.uniform(0.42, 0.58)
        frame = random.choice([(172, 172, 166), (180, 178, 170), (74, 66, 58), (60, 64, 64)])
        shutters = scaled(random.choice([(70, 88, 74), (98, 72, 58), (84, 92, 98), (120, 116, 106)]), 1) if random.chance(0.3) else None
        balcony = random.integer(0, count - 1) if random.chance(0.5) and self.floors > 3 else -1
        shop = self.shop and (long or random.chance(0.5))
        quad(0, size, 0, 0.7, scaled(self.color, 0.72), "stone")
        quad(0, size, self.height - 0.35, self.height, trim)
        quad(0, size, self.height - 0.45, self.height - 0.35, scaled(self.color, 0.6))
        if random.chance(0.5) or shop:
            quad(0, size, storey - 0.18, storey, trim)
            quad(0, size, storey - 0.24, storey - 0.18, scaled(self.color, 0.65))
        if random.chance(0.3):
            quad(0, size, 0.7, storey - 0.24, mixed(self.color, (120, 116, 110), 0.5), "stone")
        if shop:
            self._shop(random, quad, storey, size)
        for floor in range(1 if shop else 0, self.floors):
            low = floor * storey + storey * 0.3
            high = low + storey * tall
            for k in range(count):
                a, b = (k + 0.5 - wide) * step, (k + 0.5 + wide) * step
                if floor == 0 and k % 4 == 1:  # a door
                    quad(a - 0.12, b + 0.12, 0, high + 0.1, trim)
                    quad(a, b, 0, high, random.choice([(70, 56, 46), (58, 66, 62), (80, 80, 78)]), "bark")
                    quad(a + 0.15, b - 0.15, high * 0.55, high - 0.15, (38, 42, 44), "glass")
                    continue
                if near:
                    quad(a - 0.14, b + 0.14, low - 0.08, high + 0.14, trim)
                    quad(a - 0.2, b + 0.2, low - 0.16, low - 0.08, scaled(trim, 1.1))
                    quad(a - 0.2, b + 0.2, low - 0.26, low - 0.16, scaled(self.color, 0.68))
                    quad(a, b, low, high, frame)
                    if shutters:
                        for c, d in ((a - 0.55 * (b - a), a - 0.05), (b + 0.05, b + 0.55 * (b - a))):
                            quad(c, d, low, high, shutters, "bark")
                tone = random.integer(26, 58)
                glass, middle, edge = (tone, tone + 5, tone + 6), (a + b) / 2, 0.07 if near else 0.0
                if self.z < 30 or not long:
                    for c, d in ((a + edge, middle - edge / 2), (middle + edge / 2, b - edge)):
                        quad(c, d, low + edge, high - edge, glass, "glass")
                else:
                    quad(a + edge, b - edge, low + edge, high - edge, glass, "glass")
                style = random.integer(0, 6)
                if near and style == 0:  # curtains
                    quad(a + 0.1, a + 0.4 * (b - a), low + 0.08, high - 0.08, (128, 128, 120), "cloth")
                elif near and style == 1:  # a blind
                    quad(a + 0.07, b - 0.07, low + random.uniform(0.3, 0.8) * (high - low), high - 0.05, (140, 138, 128))
                elif near and style < 5:  # the sky in it
                    quad(a + 0.08, middle - 0.05, low + 0.55 * (high - low), high - 0.08, scaled(canvas.sky_low, 0.42), "glass")
                if near and k == balcony and floor > 0:
                    quad(a - 0.5, b + 0.5, low - 0.5, low - 0.32, scaled(trim, 0.8))
                    for j in range(12):
                        c = a - 0.5 + j * (b - a + 0.95) / 11
                        quad(c, c + 0.05, low - 0.4, low + 0.5, (66, 68, 68), "metal")
                    quad(a - 0.5, b + 0.5, low + 0.46, low + 0.54, (66, 68, 68), "metal")
        if long and self.z < 80:
            quad(size - 0.2, size - 0.08, 0, self.height, scaled(self.color, 0.7), "metal")  # a drainpipe
        if self.scaffold and long:
            for k in range(int(size / 2) + 1):
                quad(k * 2.0, k * 2.0 + 0.08, 0, self.height, (140, 142, 144), "metal")
            for floor in range(self.floors + 1):
                quad(0, size, floor * storey, floor * storey + 0.1, (136, 118, 88), "bark")
                quad(0, size, floor * storey + 1.0, floor * storey + 1.06, (140, 142, 144), "metal")

    def _shop(self, random, quad, storey, size):
        """Large windows, a sign and perhaps an awning on the ground floor."""
        quad(0, size, 0, storey - 0.24, scaled(self.color, 0.5), "stone")
        board = random.choice([materials.cloth(random), (52, 54, 56), (150, 146, 136), (118, 58, 52), (56, 78, 96), (64, 84, 66)])
        bays = max(1, int(size / 3.4))
        for k in range(bays):
            a, b = k * size / bays + 0.2, (k + 1) * size / bays - 0.2
            lamp = random.integer(0, 45)
            quad(a, b, 0.35, storey * 0.74, (46 + lamp, 46 + lamp, 40 + lamp), "glass")
            for _ in range(4):  # goods
                c = random.uniform(a, b - 0.5)
                quad(c, c + random.uniform(0.2, 0.5), 0.4, random.uniform(0.7, 1.6), scaled(materials.cloth(random), 0.7), "glass")
            quad(a, b, storey * 0.74 - 0.5, storey * 0.74, (66, 72, 74), "glass")
            quad(a, a + 0.9, 0.05, storey * 0.7, (40, 44, 46), "glass")
            quad(a + 0.9, a + 0.98, 0.05, storey * 0.74, (112, 112, 110), "metal")
        quad(0.1, size - 0.1, storey * 0.75, storey - 0.26, board, "paint")
        ink = (196, 196, 186) if sum(board) < 360 else (50, 50, 50)
        t = random.uniform(0.5, size * 0.3)
        for _ in range(random.integer(5, 9)):  # letters
            w = random.uniform(0.16, 0.34)
            if t + w < size - 0.5:
                quad(t, t + w, storey * 0.79, storey * 0.79 + random.uniform(0.25, 0.38), ink)
            t += w + 0.1
        if random.chance(0.4):
            cloth = materials.cloth(random)
            for k in range(int(size / 0.6)):
                quad(k * 0.6, k * 0.6 + 0.6, storey * 0.58, storey * 0.75, cloth if k % 2 else (176, 174, 164), "cloth")

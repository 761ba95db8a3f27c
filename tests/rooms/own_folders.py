"""Folders of pictures and masks as people bring them, 64x64 and generated: what works, and what is
refused.

Each function fills a folder with images/, masks/ and returns the class list and the options of
`prepare`; the text in `REFUSED` is what the user must read.
"""

import json
import zlib

import numpy as np
from PIL import Image

NAMES = ["soil", "leaf"]
COLORS = ["soil, 0, 0, 0", "leaf, 0, 160, 60"]


def truth(number: int, shape=(64, 64)) -> np.ndarray:
    """A square on the ground, at another place in every picture: 0 and 1."""
    mask = np.zeros(shape, np.uint8)
    top = 4 + 5 * number % (shape[0] // 2)
    mask[top : top + shape[0] // 3, 8 : 8 + shape[1] // 3] = 1
    return mask


def picture(number: int, mask: np.ndarray) -> np.ndarray:
    """A picture of such a mask, uint8 RGB, with a little noise."""
    random = np.random.default_rng(number)
    colors = np.array([[96, 70, 52], [60, 150, 60]])[np.minimum(mask, 1)]
    return np.clip(colors + random.integers(-15, 15, (*mask.shape, 3)), 0, 255).astype(np.uint8)


def save(path, array, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(path, **options)


def fill(folder, save_picture=None, save_mask=None, count=6, shape=(64, 64), masks=truth):
    """`count` pictures and masks as PNG; the two functions write others."""
    for number in range(count):
        mask = masks(number, shape)
        name = f"p{number}"
        if save_picture is None:
            save(folder / "images" / f"{name}.png", picture(number, mask))
        else:
            save_picture(folder / "images", name, picture(number, mask))
        if save_mask is None:
            save(folder / "masks" / f"{name}.png", mask)
        else:
            save_mask(folder / "masks", name, mask)


# -- What works


def plain(folder):
    fill(folder)
    return NAMES, {}


def palette_masks(folder):
    def save_mask(masks, name, mask):
        image = Image.fromarray(mask, mode="P")
        image.putpalette([9, 9, 9, 200, 0, 0])
        save(masks / f"{name}_mask.png", image)

    fill(folder, save_mask=save_mask)
    return NAMES, {}


def color_masks(folder, end="png", **options):
    table = np.array([[0, 0, 0], [0, 160, 60]], np.uint8)

    def save_mask(masks, name, mask):
        save(masks / f"{name}_labels.{end}", table[mask], **options)

    fill(folder, save_mask=save_mask)
    return COLORS, {}


def jpeg_masks_with_nearest_color(folder):
    color_masks(folder, "jpg", quality=70)
    return COLORS, {"nearest": 80}


def black_and_white_masks(folder):
    fill(folder, save_mask=lambda masks, name, mask: save(masks / f"{name}.png", mask == 1))
    return NAMES, {}


def black_and_white_masks_by_value(folder):
    fill(folder, save_mask=lambda masks, name, mask: save(masks / f"{name}.png", mask == 1))
    return ["soil, 0", "leaf, 255"], {}


def gif_masks(folder):
    def save_mask(masks, name, mask):
        save(masks / f"{name}_mask.gif", mask * np.uint8(255))

    fill(folder, save_mask=save_mask)
    return NAMES, {}


def deep_masks(folder):
    def save_mask(masks, name, mask):
        save(masks / f"{name}.png", (1000 * (1 + mask.astype(np.uint16))).astype(np.uint16))

    fill(folder, save_mask=save_mask)
    return ["soil, 1000", "leaf, 2000"], {}


def float_masks(folder):
    def save_mask(masks, name, mask):
        save(masks / f"{name}.tif", mask.astype(np.float32))

    fill(folder, save_mask=save_mask)
    return NAMES, {}


def gray_pictures(folder):
    def save_picture(images, name, pixels):
        save(images / f"{name}.png", pixels[..., 1])

    fill(folder, save_picture)
    return NAMES, {}


def pictures_with_full_alpha(folder):
    def save_picture(images, name, pixels):
        image = Image.fromarray(pixels).convert("RGBA")
        save(images / f"{name}.png", image)

    fill(folder, save_picture)
    return NAMES, {}


def pictures_of_12_bits(folder):
    def save_picture(images, name, pixels):
        save(images / f"{name}.tif", pixels[..., 1].astype(np.uint16) * 16)

    fill(folder, save_picture)
    return NAMES, {}


def pictures_of_16_bits(folder):
    def save_picture(images, name, pixels):
        save(images / f"{name}.png", pixels[..., 1].astype(np.uint16) * 257)

    fill(folder, save_picture)
    return NAMES, {"limits": (0, 65535)}


def float_pictures(folder):
    def save_picture(images, name, pixels):
        save(images / f"{name}.tif", pixels[..., 1].astype(np.float32) * 20 - 1000)

    fill(folder, save_picture)
    return NAMES, {}


def cmyk_pictures(folder):
    def save_picture(images, name, pixels):
        save(images / f"{name}.jpg", Image.fromarray(pixels).convert("CMYK"))

    fill(folder, save_picture)
    return NAMES, {}


def turned_pictures(folder):
    def save_picture(images, name, pixels):
        image = Image.fromarray(np.rot90(pixels).copy())
        exif = image.getexif()
        exif[0x0112] = 6  # to be turned clockwise by 90 degrees
        save(images / f"{name}.jpg", image, exif=exif, quality=95)

    fill(folder, save_picture, shape=(64, 48))
    return NAMES, {}


def odd_sizes(folder):
    fill(folder, shape=(37, 50))
    return NAMES, {}


def many_classes(folder, count=254):
    def masks(number, shape):
        return (np.arange(64 * 64).reshape(64, 64) + 40 * number) // 16 % count

    def save_mask(folder, name, mask):
        save(folder / f"{name}.png", mask.astype(np.uint8))

    fill(folder, save_mask=save_mask, masks=masks)
    return [f"class {number}" for number in range(count)], {}


def forty_classes(folder):
    return many_classes(folder, 40)


def labelme(folder):
    def save_mask(masks, name, mask):
        rows, columns = mask.nonzero()
        square = [[int(columns.min()), int(rows.min())], [int(columns.max()), int(rows.max())]]
        shapes = [{"label": "leaf", "shape_type": "rectangle", "points": square}]
        triangle = {"label": "ignore", "points": [[60, 60], [63, 60], [63, 63]]}
        content = {"imageWidth": 64, "imageHeight": 64, "shapes": [*shapes, triangle]}
        masks.mkdir(parents=True, exist_ok=True)
        (masks / f"{name}.json").write_text(json.dumps(content))

    fill(folder, save_mask=save_mask)
    return ["background", "leaf", "ignore"], {}


def coco(folder, missing=False):
    images, annotations = [], []

    def save_mask(masks, name, mask):
        number = len(images) + 1
        rows, columns = mask.nonzero()
        left, top, right, bottom = columns.min(), rows.min(), columns.max(), rows.max()
        polygon = [left, top, right, top, right, bottom, left, bottom]
        images.append({"id": number, "file_name": f"{name}.png", "width": 64, "height": 64})
        one = {"image_id": number, "category_id": 7, "area": float(mask.sum())}
        if number == 1:  # run lengths go down the columns
            flat = mask.T.ravel()
            edges = np.flatnonzero(np.diff(flat)) + 1
            counts = np.diff([0, *edges, flat.size]).tolist()
            annotations.append({**one, "segmentation": {"counts": counts, "size": [64, 64]}})
        else:
            annotations.append({**one, "segmentation": [[int(value) for value in polygon]]})

    fill(folder, save_mask=save_mask)
    categories = [{"id": 7, "name": "leaf"}]
    if missing:
        images[0]["file_name"] = "other.png"
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "coco.json").write_text(json.dumps(content))
    return ["background", "leaf"], {"masks": "coco.json"}


def mixed_sizes(folder):
    def save_picture(images, name, pixels):
        if name in ("p0", "p3"):
            pixels = pixels[:48, :40]
        save(images / f"{name}.png", pixels)

    fill(folder, save_picture, save_mask=lambda m, name, mask: save_picture(m, name, mask))
    return NAMES, {}


def mixed_sizes_brought_to_one(folder):
    mixed_sizes(folder)
    return NAMES, {"size": (48, 64)}


def subfolders(folder):
    def into(images, name, pixels):
        save(images / f"Place {int(name[1]) % 3}" / f"{name}.png", pixels)

    fill(folder, into, into)
    return NAMES, {}


def groups_by_name(folder):
    def into(images, name, pixels):
        save(images / f"patient{int(name[1]) % 3}_slice{name[1]}.png", pixels)

    fill(folder, into, into)
    return NAMES, {"group": r"(patient\d+)"}


def one_folder_for_both(folder):
    fill(folder, save_mask=lambda masks, name, mask: save(masks / f"{name}_mask.png", mask))
    for path in (folder / "masks").iterdir():
        path.rename(folder / "images" / path.name)
    return NAMES, {"masks": "images"}


def hidden_copies(folder):
    fill(folder)
    for kind in ("images", "masks"):
        for hidden in (".ipynb_checkpoints/p0-checkpoint.png", "__MACOSX/._p0.png", "._p0.png"):
            path = folder / kind / hidden
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"a copy")
    return NAMES, {}


def other_files_beside(folder):
    fill(folder)
    (folder / "images" / "Thumbs.db").write_bytes(b"")
    save(folder / "masks" / "p9.png", truth(9))
    return NAMES, {}


def class_list_of_a_spreadsheet(folder):
    fill(folder)
    path = folder / "classes.txt"
    path.write_bytes("\ufeff# Größen\r\nErde\r\nBlätter\r\n".encode())
    return path, {}


WORKS = [
    plain,
    palette_masks,
    color_masks,
    jpeg_masks_with_nearest_color,
    black_and_white_masks,
    black_and_white_masks_by_value,
    gif_masks,
    deep_masks,
    float_masks,
    gray_pictures,
    pictures_with_full_alpha,
    pictures_of_12_bits,
    pictures_of_16_bits,
    float_pictures,
    cmyk_pictures,
    turned_pictures,
    odd_sizes,
    forty_classes,
    many_classes,
    labelme,
    coco,
    mixed_sizes,
    mixed_sizes_brought_to_one,
    subfolders,
    groups_by_name,
    one_folder_for_both,
    hidden_copies,
    other_files_beside,
    class_list_of_a_spreadsheet,
]


# -- What is refused, and in which words


def changed(change, classes=NAMES, **options):
    """A plain folder to which something was done."""

    def build(folder):
        fill(folder)
        change(folder)
        return classes, options

    return build


def nothing(folder):
    pass


def one_class(folder):
    fill(folder, masks=lambda number, shape: np.zeros(shape, np.uint8))
    return ["cell"], {}


def varying_alpha(folder):
    def save_picture(images, name, pixels):
        image = Image.fromarray(pixels).convert("RGBA")
        image.putalpha(Image.fromarray(pixels[..., 0]))
        save(images / f"{name}.png", image)

    fill(folder, save_picture)
    return NAMES, {}


def deep_colors(folder):
    fill(folder)
    rows = b"".join(b"\0" + bytes(64 * 6) for _ in range(64))
    header = b"IHDR" + (64).to_bytes(4) + (64).to_bytes(4) + bytes([16, 2, 0, 0, 0])
    data = b"\x89PNG\r\n\x1a\n"
    for chunk in (header, b"IDAT" + zlib.compress(rows), b"IEND"):
        data += (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4)
    (folder / "images" / "p1.png").write_bytes(data)
    return NAMES, {}


def several_pages(folder):
    fill(folder)
    (folder / "images" / "p0.png").unlink()
    page = Image.new("RGB", (64, 64))
    page.save(folder / "images" / "p0.tif", save_all=True, append_images=[page, page])
    return NAMES, {}


def some_deep(folder):
    save(folder / "images" / "p2.png", np.full((64, 64), 4095, np.uint16))


def no_numbers(folder):
    def save_picture(images, name, pixels):
        save(images / f"{name}.tif", np.full((64, 64), np.nan, np.float32))

    fill(folder, save_picture)
    return NAMES, {}


def fractions(folder):
    (folder / "masks" / "p0.png").unlink()
    save(folder / "masks" / "p0.tif", np.full((64, 64), 0.5, np.float32))


def copies_in_both(folder):
    shared = truth(0)
    for number in range(6):
        save(folder / "images" / f"p{number}.png", picture(0, shared))


def arrays_for_masks(folder):
    for path in (folder / "masks").iterdir():
        path.rename(path.with_suffix(".npy"))


def unknown_label(folder):
    classes, options = labelme(folder)
    return ["background", "flower", "ignore"], options


def other_size_in_labelme(folder):
    classes, options = labelme(folder)
    path = folder / "masks" / "p0.json"
    path.write_text(path.read_text().replace('"imageWidth": 64', '"imageWidth": 128'))
    return classes, options


def coco_without_its_picture(folder):
    return coco(folder, missing=True)


def all_ignored(folder):
    fill(folder, masks=lambda number, shape: np.full(shape, 9, np.uint8))
    return ["soil, 0", "leaf, 1", "ignore, 9"], {}


def remove(name):
    return lambda folder: (folder / name).unlink()


def write(name, array):
    return lambda folder: save(folder / name, array)


def cut(name):
    def change(folder):
        path = folder / name
        path.write_bytes(path.read_bytes()[:200])

    return change


def empty(folder):
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    return NAMES, {}


SMALL = np.zeros((10, 10), np.uint8)

REFUSED = {
    "one class": (one_class, "One class alone is always right.*background"),
    "varying alpha": (varying_alpha, "fourth band that varies .*near infrared"),
    "colors of 16 bits": (deep_colors, "p1.png has colors of 16 bits"),
    "several pages": (several_pages, "p0.tif.*holds 3 pictures"),
    "deep and not": (changed(some_deep), "1 pictures have more than 8 bits.*5 have 8"),
    "no numbers": (no_numbers, "values that are no numbers"),
    "fractions in a mask": (changed(fractions), "p0.tif: holds 0.5; a mask holds whole"),
    "JPEG masks": (lambda f: color_masks(f, "jpg", quality=60), "JPEG blurs.*--nearest-color"),
    "color masks by value": (lambda f: (color_masks(f) and NAMES, {}), "class list has no colors"),
    "unknown value": (changed(write("masks/p2.png", SMALL + 7)), r"7 \(100 pixels\)"),
    "no mask": (changed(remove("masks/p1.png")), "1 of 6 pictures have no mask: p1.png"),
    "two masks": (changed(write("masks/p1_mask.bmp", SMALL)), "two masks for one picture"),
    "two pictures": (changed(write("images/p1.jpg", SMALL)), "two pictures of one name"),
    "arrays for masks": (changed(arrays_for_masks), r"6 files are not read \(.npy\)"),
    "another size": (changed(write("masks/p1.png", SMALL)), "p1.png is 64x64.*p1.png is 10x10"),
    "a broken picture": (changed(cut("images/p3.png")), "p3.png cannot be read"),
    "copies in both": (changed(copies_in_both), "are one picture: remove one"),
    "an unknown label": (unknown_label, "p0.json: 'leaf' is not in the class list"),
    "LabelMe of another size": (other_size_in_labelme, "drawn on 128x64 pixels, but p0.png"),
    "COCO without its picture": (coco_without_its_picture, "other.png"),
    "all ignored": (all_ignored, "every pixel of every train mask is ignored"),
    "too large a share": (changed(nothing, val=1.5), "val must be at least"),
    "no size": (changed(nothing, size=(0, 5)), "size must be at least 1"),
    "a pattern that fails": (changed(nothing, group="patient"), "finds nothing in these names"),
    "one group": (changed(nothing, group="p"), "one group"),
    "semicolons": (changed(nothing, classes=["soil; 0", "leaf; 1"]), "separated by commas"),
    "a color above 255": (changed(nothing, classes=["a, 0, 0, 300", "b, 0, 0, 1"]), "0 to 255"),
    "255 classes": (changed(nothing, classes=[f"c{n}" for n in range(255)]), "at most 254"),
    "no pictures": (empty, "images: no picture"),
}

"""What makes a GPU fast, or a small card enough, run tiny on the CPU: the same numbers."""

import copy
import threading
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from extras.training_tools import memory
from extras.training_tools.costs import training_cost
from extras.training_tools.gpu_batches import GpuLoader, GpuRun, gpu_run
from helpers import device, training
from helpers.config import TrainConfig
from helpers.evaluate import evaluate, pixel_loss, side_by_side
from helpers.files import read_json
from helpers.metrics import ConfusionMatrix
from helpers.paths import ROOT
from helpers.training import Run, make_run
from helpers.unet import UNet


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """10 + 5 frames whose brightness follows their label."""
    root = tmp_path_factory.mktemp("frames")
    random = np.random.default_rng(5)
    for split, count in (("train", 10), ("val", 5)):
        for number in range(count):
            ids = np.array([7, 11, 21, 23, 26, 0])[random.integers(0, 6, (4, 6))]
            label = ids.repeat(16, 0).repeat(16, 1).astype(np.uint8)
            noise = random.integers(0, 40, (*label.shape, 3))
            image = (label[..., None] * 7 + noise).astype(np.uint8)
            name = f"{split}/town/town_{number:06d}_000019"
            for path, array in (
                (root / f"leftImg8bit/{name}_leftImg8bit.png", image),
                (root / f"gtFine/{name}_gtFine_labelIds.png", label),
            ):
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
    return root


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    return tmp_path


def tiny(root, **changes) -> TrainConfig:
    config = TrainConfig(
        name="tiny",
        root=str(root),
        size=32,
        padding="same",
        width=4,
        depth=2,
        epochs=3,
        batch_size=4,
        learning_rate=3e-3,
        augment=True,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        pictures=2,
    )
    return replace(config, **changes)


def files_of(run):
    """The content of every file of a run; the checkpoints are compared as tensors."""
    found = {}
    for path in sorted(run.folder.rglob("*")):
        if path.is_file() and path.suffix in (".png", ".csv"):
            found[path.relative_to(run.folder).as_posix()] = path.read_bytes()
    return found


def checkpoint_of(run, name):
    return torch.load(run.folder / name, weights_only=True)


def assert_same(a, b):
    """Nested dicts, lists and tensors are equal to the last bit."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b):
            assert_same(one, other)
    else:
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def assert_same_run(run, other):
    assert run.history == other.history
    assert files_of(run).keys() == files_of(other).keys()
    assert files_of(run) == files_of(other)
    for name in ("last.pt", "best.pt"):
        a = checkpoint_of(run, name)
        b = checkpoint_of(other, name)
        for state in (a, b):
            state["info"]["config"]["name"] = None
        assert_same(a, b)


# -- frames in the GPU's memory, files written beside


def test_a_gpu_run_leaves_what_a_run_leaves(root):
    plain = make_run(tiny(root, name="plain"), progress=False)
    plain.fit()
    fast = gpu_run(tiny(root, name="fast"), progress=False)
    fast.fit()
    assert isinstance(fast, GpuRun) and fast.writing is None
    assert len(files_of(plain)) == 3 * 2 + 1  # the pictures, and history.csv
    assert_same_run(fast, plain)


def test_an_interrupted_gpu_run_goes_on(root):
    whole = gpu_run(tiny(root, name="whole"), progress=False)
    whole.fit()

    def stop(history):
        if len(history) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gpu_run(tiny(root), progress=False).fit(stop)
    again = gpu_run(tiny(root), progress=False)
    assert again.resume() == 2, "the files of both epochs are whole"
    again.fit()
    assert_same_run(again, whole)


@pytest.mark.parametrize("cropped", [False, True])
def test_validation_from_the_gpus_memory(root, cropped):
    run = gpu_run(tiny(root, augment=not cropped), progress=False)
    assert run.train_set.cache.cropped is cropped and run.val_set.cache.cropped
    scores = run.validate()
    plain = evaluate(run.model, DataLoader(run.val_set, 4), run.label_set)
    assert (scores.confusion.counts == plain.confusion.counts).all()
    assert scores.loss_sum == plain.loss_sum and scores.pixels == plain.pixels
    assert scores.batches == plain.batches == 2
    assert run.val_set.on_device[0].shape == (5, 32, 32, 3)


def test_crops_from_a_cache_of_crops_are_mirrored_too(root):
    run = make_run(tiny(root, augment=False), progress=False)
    dataset = run.train_set
    dataset.augment = True
    dataset.epoch = 1
    batch = list(range(10))
    expected = [dataset[index] for index in batch]
    plain = [dataset.draw(index, (32, 32))[2] for index in batch]
    assert 0 < sum(plain) < 10
    images, targets = GpuLoader(dataset, [batch], torch.device("cpu")).make(batch)
    assert torch.equal(images, torch.stack([image for image, _ in expected]))
    assert torch.equal(targets, torch.stack([target for _, target in expected]))


def test_files_are_written_while_the_next_epoch_trains(root, monkeypatch):
    go_on = threading.Event()
    seen = []
    save = Run.save

    def slow_save(still):
        before = copy.deepcopy(still.model.state_dict())
        if len(still.history) == 1:
            assert go_on.wait(60)
        # Whatever was trained meanwhile: this copy stands still.
        assert_same(dict(still.model.state_dict()), dict(before))
        seen.append((len(still.history), threading.current_thread().name))
        save(still)

    monkeypatch.setattr(Run, "save", slow_save)
    run = gpu_run(tiny(root, epochs=2), progress=False)
    train_epoch = run.train_epoch
    first = []

    def train_and_let_go(epoch):
        loss = train_epoch(epoch)
        if epoch == 0:
            first.append(copy.deepcopy(run.model.state_dict()))
        else:
            assert not seen and not (run.folder / "last.pt").exists()
            go_on.set()
        return loss

    run.train_epoch = train_and_let_go
    run.fit()
    assert [number for number, _ in seen] == [1, 2]
    assert threading.current_thread().name not in [name for _, name in seen]
    best = checkpoint_of(run, "best.pt")
    if run.history[0]["val_mean_iou"] >= run.history[1]["val_mean_iou"]:
        assert_same(dict(best["model"]), dict(first[0]))
    assert checkpoint_of(run, "last.pt")["epochs_done"] == 2


def test_an_error_in_writing_ends_the_training(root, monkeypatch):
    def full(still):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Run, "save", full)
    run = gpu_run(tiny(root), progress=False)
    with pytest.raises(OSError, match="No space left"):
        run.fit()
    assert len(run.history) <= 2


def test_files_are_written_in_a_stream_of_their_own(root, monkeypatch):
    run = gpu_run(tiny(root, epochs=1), progress=False)
    run.fit()
    happened = []

    class Stream:
        def __init__(self, device):
            happened.append(f"stream on {device}")

        def wait_stream(self, other):
            happened.append(f"waits for {other}")

    @contextmanager
    def inside(stream):
        assert isinstance(stream, Stream)
        happened.append("begin")
        yield
        happened.append("end")

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: "the training's")
    monkeypatch.setattr(torch.cuda, "stream", inside)
    monkeypatch.setattr(Run, "save", lambda still: happened.append("files"))
    run.device = torch.device("cuda")
    run.save()
    assert happened == ["stream on cuda", "waits for the training's", "begin", "files", "end"]


def test_the_scale_of_float16_is_stored(root, monkeypatch):
    monkeypatch.setattr(training, "amp_dtype", lambda device: torch.float16)
    run = gpu_run(tiny(root, epochs=1), progress=False)
    run.fit()
    assert checkpoint_of(run, "last.pt")["scaler"]["scale"] == run.scaler.get_scale()


# -- one run, two devices


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_run_goes_on_in_another_memory_layout(root, optimizer):
    """A GPU lays channels last, a CPU does not: what an optimizer remembers must follow."""

    def make(name, layout):
        # Dropout draws its numbers in the order of the memory.
        run = make_run(tiny(root, name=name, epochs=2, dropout=0.0), progress=False)
        run.model.to(memory_format=layout)
        run.layout = layout
        if optimizer == "sgd":
            run.optimizer = torch.optim.SGD(run.model.parameters(), lr=3e-3, momentum=0.9)
        return run

    def stop(history):
        raise KeyboardInterrupt

    weights = []
    layouts = (torch.contiguous_format, torch.channels_last)
    for first in layouts:
        for second in layouts:
            name = f"{first}{second}"
            with pytest.raises(KeyboardInterrupt):
                make(name, first).fit(stop)
            run = make(name, second)
            run.fit()
            assert len(run.history) == 2
            weights.append(torch.cat([w.detach().flatten() for w in run.model.parameters()]))
    # Adam divides a gradient by its size: of the smallest ones rounding decides. Moments at wrong
    # places move all weights, by about a learning rate.
    for other in weights[1:]:
        assert (other - weights[0]).abs().mean() < 1e-4


# -- sums that stay on the device


def test_scores_are_the_sums_over_batches(root):
    run = make_run(tiny(root, batch_size=2), progress=False)
    batches = list(DataLoader(run.val_set, 2))
    void = (batches[0][0], torch.full_like(batches[0][1], 255))
    confusion = ConfusionMatrix(19)
    loss_sum = 0.0
    means = []
    run.model.eval()
    with torch.no_grad():
        for images, targets in batches:
            logits = run.model(images)
            confusion.update(logits.argmax(1), targets)
            loss, pixels = pixel_loss(logits, targets)
            loss_sum += float(loss)
            means.append(float(loss / pixels))
    scores = evaluate(run.model, [*batches, void], run.label_set, per_frame=True)
    assert (scores.confusion.counts == confusion.counts).all()
    assert scores.pixels == confusion.counts.sum()
    assert scores.loss_sum == loss_sum and scores.batch_losses == sum(means)
    assert scores.batches == 3 and len(scores.per_frame) == 5 + 2
    assert sum(matrix.counts for matrix in scores.per_frame).tolist() == confusion.counts.tolist()


# -- compiled


def test_a_shorter_last_batch_is_not_compiled_anew(root, monkeypatch):
    plain = make_run(tiny(root, name="plain", epochs=1), progress=False)
    plain.fit()
    sizes = []

    def compile(model):
        def compiled(images):
            sizes.append(len(images))
            return model(images)

        return compiled

    monkeypatch.setattr(torch, "compile", compile)
    run = make_run(tiny(root, name="compiled", epochs=1, compile=True), progress=False)
    run.fit()
    assert sizes == [4, 4], "10 frames in batches of 4: the last two go without"
    assert run.history == plain.history


# -- small cards


def gradients(model, images, targets, dtype=None):
    torch.manual_seed(1)
    model.zero_grad()
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        logits = model(images)
    loss, pixels = pixel_loss(logits, targets)
    (loss / pixels).backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters()}


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_checkpointing_gives_the_same_gradients(dtype):
    torch.manual_seed(0)
    model = UNet(width=4, depth=2, dropout=0.5).train()
    images = torch.randn(2, 3, 60, 60)
    targets = torch.randint(0, 19, (2, 20, 20))
    expected = gradients(model, images, targets, dtype)
    names = list(model.state_dict())

    runs = []
    block = model.down[1]
    block[0].register_forward_hook(lambda *_: runs.append(1))
    device.checkpoint_blocks(model)
    assert list(model.state_dict()) == names
    assert_same(gradients(model, images, targets, dtype), expected)
    assert len(runs) == 2, "forward, and once more where the backward pass needs it"

    # A copy computes with its own weights.
    twin = copy.deepcopy(model)
    assert_same(gradients(twin, images, targets, dtype), expected)
    with torch.no_grad():
        twin.down[0][0].weight.zero_()
    assert_same(gradients(model, images, targets, dtype), expected)
    assert not torch.equal(
        gradients(twin, images, targets, dtype)["head.weight"], expected["head.weight"]
    )


def test_every_row_of_the_ladder_takes_the_same_step(root):
    """Steps of 8 frames, in batches of 8 to 1, with and without checkpointing."""
    weights = []
    for batch, accumulate, checkpointing in (
        (8, 1, False),
        (4, 2, False),
        (1, 8, False),
        (1, 8, True),
        (4, 2, True),
    ):
        config = tiny(
            root,
            name=f"{batch}{checkpointing}",
            epochs=1,
            dropout=0.0,
            train_limit=8,
            batch_size=batch,
            accumulate=accumulate,
            checkpointing=checkpointing,
        )
        run = make_run(config, progress=False)
        run.train_epoch(0)
        weights.append(torch.cat([w.detach().flatten() for w in run.model.parameters()]))
    # Adam divides a gradient by its size: the smallest ones carry the rounding of their sums.
    for other in weights[1:]:
        assert (other - weights[0]).abs().max() < 1e-4
    # Checkpointing itself changes not one bit.
    assert torch.equal(weights[2], weights[3]) and torch.equal(weights[1], weights[4])


def test_checkpointing_wants_a_unet_without_batch_norm(root):
    for changes in ({"norm": "batch"}, {"model": "fcn8s", "depth": 0}):
        with pytest.raises(ValueError, match="checkpointing is for a U-Net without batch norm"):
            tiny(root, checkpointing=True, **changes)


def test_float16_is_scaled(root, monkeypatch):
    batches = None
    found = {}
    for dtype in (None, torch.float16):
        monkeypatch.setattr(training, "amp_dtype", lambda where, dtype=dtype: dtype)
        run = make_run(tiny(root, name=str(dtype), dropout=0.0), progress=False)
        assert run.scaler.is_enabled() is (dtype == torch.float16)
        batches = batches or [next(iter(run.loader(0)))]
        run.step(0, batches)
        grads = [w.grad.flatten() for w in run.model.parameters()]
        found[dtype] = torch.cat(grads)
    # Whatever the scale: they point the same way.
    assert torch.nn.functional.cosine_similarity(*found.values(), dim=0) > 0.999

    # A step whose gradients overflow is left out, and the scale halved.
    run.scaler.update(2.0**120)
    before = copy.deepcopy(run.model.state_dict())
    scale = run.scaler.get_scale()
    run.step(1, batches)
    assert_same(dict(run.model.state_dict()), dict(before))
    assert run.scaler.get_scale() == scale / 2


def test_out_of_memory_says_what_to_try_next(root, monkeypatch):
    run = make_run(tiny(root), progress=False)

    def full(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    run.step = full
    with pytest.raises(ValueError, match="out of memory with --batch-size 4.*--batch-size 2 --acc"):
        run.fit()

    def other(*_):
        raise RuntimeError("something else")

    run.step = other
    with pytest.raises(RuntimeError, match="something else"):
        run.fit()


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("loader", "CUDA out of memory. Tried to allocate 20.00 MiB"),
        ("step", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        ("validate", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        ("save", "CUDA out of memory. Tried to allocate 20.00 MiB"),
    ],
)
def test_memory_may_end_in_every_part_of_an_epoch(root, monkeypatch, part, message):
    def full(*_):
        raise RuntimeError(message)

    run = make_run(tiny(root), progress=False)
    setattr(run, part, full)
    with pytest.raises(ValueError, match="out of memory with --batch-size 4.*--batch-size 2 --acc"):
        run.fit()


def test_frames_that_a_card_cannot_hold_stay_on_the_disk(root, monkeypatch):
    run = gpu_run(tiny(root), progress=False)

    def full(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.06 GiB")

    monkeypatch.setattr(torch.Tensor, "to", full)
    with pytest.raises(ValueError, match="10 frames take 0.0 GiB.*try python -m helpers.training"):
        run.loader(0)


def test_pictures_are_computed_as_scores_are(root, monkeypatch):
    """In float32 cudnn would search convolutions anew, with scratch memory that a card lacks."""
    run = make_run(tiny(root), progress=False)
    seen = []
    run.model.register_forward_hook(lambda model, images, logits: seen.append(logits.dtype))
    monkeypatch.setattr(device, "amp_dtype", lambda device: torch.bfloat16)
    side_by_side(run.model, run.val_set, 0)
    assert seen == [torch.bfloat16]


def test_the_way_down_ends_at_the_thinner_network():
    config = TrainConfig(batch_size=16)
    advice = []
    for changes in (
        {},
        {"batch_size": 8, "accumulate": 2},
        {"batch_size": 3, "accumulate": 2},
        {"batch_size": 1, "accumulate": 16},
        {"batch_size": 1, "checkpointing": True},
        {"batch_size": 1, "checkpointing": True, "size": 196},
        {"batch_size": 1, "checkpointing": True, "size": 4},
        {"batch_size": 1, "norm": "batch", "view": "frame", "padding": "same"},
    ):
        text = device.out_of_memory(replace(config, **changes))
        advice.append(text.split("Next, try ")[1].split(" (")[0])
    assert advice == [
        "--batch-size 8 --accumulate 2",
        "--batch-size 4 --accumulate 4",
        "--batch-size 1 --accumulate 6",
        "--checkpointing",
        "--size 196",
        "--size 100",
        "--width 32",
        "--width 32",
    ]


def test_the_formula_is_what_is_counted():
    cost = training_cost(572, 572)
    assert 16 * cost.parameters / 2**30 == pytest.approx(memory.WEIGHTS_GIB, abs=0.001)
    assert cost.kept / 2**30 == pytest.approx(memory.CROP_GIB, abs=0.001)
    kept = training_cost(572, 572, checkpointing=True).kept
    assert kept / 2**30 == pytest.approx(memory.CROP_CHECKPOINTED_GIB, abs=0.001)


def test_the_formula_fits_what_a_gpu_measured():
    rows = read_json(ROOT / "benchmarks" / "results" / "gpu.json")["rows"]
    checked = 0
    for row in rows:
        if row["precision"] in ("bf16", "fp16") and row["mode"] in ("eager", "checkpointing"):
            need = memory.step_memory(row["batch"], row["mode"] == "checkpointing")
            assert need == pytest.approx(row["memory_gib"], rel=0.1), row
            checked += 1
    assert checked >= 4


@pytest.mark.parametrize(
    ("card", "options"),
    [
        (3.9, "--batch-size 4 --accumulate 4"),
        (5.8, "--batch-size 8 --accumulate 2"),
        (7.7, "--batch-size 8 --accumulate 2"),
        (14.6, "--batch-size 16 --accumulate 1"),
        (1.45, "--batch-size 1 --accumulate 16 --checkpointing"),
    ],
)
def test_every_card_has_its_row(card, options):
    lines = memory.memory_ladder(card)
    [marked] = [line for line in lines if "<- this card" in line]
    assert marked.split("GiB")[1].split("<-")[0].strip() == options
    assert all(batch * steps == 16 for batch, steps, _ in memory.LADDER)


def test_a_card_that_is_too_small_has_none():
    assert not any("<-" in line for line in memory.memory_ladder(1.0))


def test_the_report_names_the_card(monkeypatch):
    class Card:
        name = "Small Card"
        total_memory = 4 * 2**30

    monkeypatch.setattr(device, "find_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(device, "amp_dtype", lambda where: torch.float16)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda where: Card)
    text = device.report()
    assert "Small Card, 4 GiB, amp torch.float16" in text
    assert "extras.training_tools.memory" in text


def test_the_ladder_as_a_command(monkeypatch, capsys):
    memory.main(["--gib", "4"])
    assert "--batch-size 4 --accumulate 4  <- this card" in capsys.readouterr().out
    monkeypatch.setattr(memory, "find_device", lambda: torch.device("cpu"))
    with pytest.raises(ValueError, match="no CUDA card here"):
        memory.main([])


@pytest.mark.parametrize("name", ["gpu", "cuda", "cuda:1", "cuda:x", "mps", "cpu:3"])
def test_a_device_that_is_not_here_is_named(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: name == "cuda:1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setenv("COURSE_DEVICE", name)
    with pytest.raises(ValueError, match=f"COURSE_DEVICE={name}, but torch .* unset it"):
        device.find_device()
    assert f"device       COURSE_DEVICE={name}, but" in device.report()


def test_the_name_of_a_device_may_be_in_capitals(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "CPU")
    assert device.find_device() == torch.device("cpu")

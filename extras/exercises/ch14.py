"""Checker of chapter 14: what each of several processes divides its loss by."""

from extras.exercises import Wrong


def divide(loss_sums, labeled):
    """What each process calls backward() on, if gradients are averaged."""
    world_size = len(loss_sums)
    total = sum(labeled)
    return [loss_sum * world_size / total for loss_sum in loss_sums]


def turn_a(answer) -> None:
    """divide(loss_sums, labeled) -> one number per process."""
    for loss_sums, labeled in (
        ([700.0, 5200.0], [256, 2048]),
        ([90.0, 10.0, 40.0, 20.0], [50, 10, 10, 10]),
        ([30.0, 0.0], [20, 0]),
    ):
        world_size = len(loss_sums)
        total = sum(labeled)
        try:
            got = answer(list(loss_sums), list(labeled))
        except ZeroDivisionError:
            raise Wrong(
                "a share of the batch may be all void: then its own number of labeled pixels is 0"
            ) from None
        if not isinstance(got, (list, tuple)) or len(got) != world_size:
            found = type(got).__name__ if hasattr(got, "__iter__") else repr(got)
            raise Wrong(f"expected a list of {world_size} numbers, one per process, found {found}")
        got = [float(value) for value in got]
        right = [loss_sum * world_size / total for loss_sum in loss_sums]
        if all(abs(a - b) < 1e-9 for a, b in zip(got, right)):
            continue
        average = sum(got) / world_size
        whole = sum(loss_sums) / total
        if all(labeled) and all(abs(a - s / n) < 1e-9 for a, s, n in zip(got, loss_sums, labeled)):
            raise Wrong(
                f"each mean over its own pixels: their average is {average:.3f}, the loss of the "
                f"whole batch is {whole:.3f}"
            )
        if all(abs(world_size * a - b) < 1e-9 for a, b in zip(got, right)):
            raise Wrong(
                f"the average of these is {average:.3f} instead of {whole:.3f}: "
                "DistributedDataParallel divides by the number of processes once more"
            )
        if abs(average - whole) < 1e-9:
            raise Wrong(
                "the average is right, but each process knows its own loss sum only, and that is "
                "what its gradient comes from"
            )
        raise Wrong(
            f"for the sums {loss_sums} over {labeled} pixels you return {got}: their average is "
            f"{average:.3f}, the loss of the whole batch is {whole:.3f}"
        )


TURNS = {"A": divide}

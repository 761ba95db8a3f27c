"""The catalog of extras.bug_lab.bugs: each bug is one small change of a helper, and all that is to
be said of it.

`module`, `function` ("Class.method"), `old` and `new` are the change: `old` occurs once in that
function. `check` is the test that notices it, as pytest names it.
"""

from typing import NamedTuple

ERROR = "The program stops with an error"
LOSS = "The loss looks wrong"
SCORE = "The score looks wrong"
PICTURE = "A picture looks wrong"
RUN = "One run is not like the next"


class Bug(NamedTuple):
    """One bug. `symptom` is what one sees first; `hint` says where to look; `chapter` is the
    notebook's number.
    """

    name: str
    group: str
    symptom: str
    hint: str
    cause: str
    fix: str
    chapter: str
    module: str
    function: str
    old: str
    new: str
    check: str


BUGS = (
    Bug(
        "void-as-class",
        ERROR,
        "`IndexError: Target 255 is out of bounds.` On a GPU: `CUDA error: device-side assert "
        "triggered`, at a line that has nothing to do with it.",
        "Which values does the target have, and how many classes does the network? Run one batch "
        "on the CPU.",
        '255 stands for "ignored" and is no class, but the loss was not told so.',
        "`F.cross_entropy(..., ignore_index=255)`, and the same 255 left out of the confusion "
        "matrix.",
        "07",
        "evaluate",
        "pixel_loss",
        "ignore_index=IGNORE, ",
        "",
        "tests/core/test_evaluate.py::test_pixel_loss_is_a_sum_over_labeled_pixels",
    ),
    Bug(
        "ids-for-train-ids",
        ERROR,
        "`IndexError: Target 26` (or another up to 33) `is out of bounds.`, or with 34 outputs no "
        "error at all and an "
        "official mIoU near 0.",
        "Print the unique values of a target. Is the road 7 or 0?",
        "The label file's ids (0 to 33) were trained on, or submitted, where train ids (0 to 18) "
        "belong, or the other way round.",
        "`TRAIN_19.encode` on the way in, `TRAIN_19.decode` before a submission.",
        "03",
        "dataset",
        "CityscapesDataset.pair",
        "self.train_id_of[label]",
        "np.array(label)",
        "tests/core/test_dataset.py::test_center_crop_is_aligned_to_the_pixel",
    ),
    Bug(
        "argmax-over-the-wrong-axis",
        ERROR,
        "`RuntimeError: The size of tensor a (512) must match the size of tensor b (256)`, or "
        "predictions in stripes.",
        "Name the axes of the logits: [N, classes, H, W]. Over which one should the largest be "
        "taken?",
        "`argmax` ran over the columns of the picture, not over the classes.",
        "`logits.argmax(1)`: axis 1 is the classes, also when there is only one picture in the "
        "batch.",
        "08",
        "evaluate",
        "score_batches",
        "logits.argmax(1)",
        "logits.argmax(-1)",
        "tests/core/test_evaluate.py::test_scores_come_in_the_order_of_the_frames",
    ),
    Bug(
        "softmax-twice",
        LOSS,
        "The loss falls slowly and flattens above 2, however long the training; in the "
        "predictions the large classes are right, and small and thin things are missing.",
        "What is the smallest loss that the network could reach if it were always right and "
        "certain?",
        "The network's output went through softmax before `cross_entropy`, which has a softmax "
        "of its own. Probabilities are at most 1, so the second softmax can never be certain.",
        "Give `cross_entropy` the raw logits; use softmax only to show probabilities.",
        "07",
        "evaluate",
        "pixel_loss",
        "logits.float()",
        "logits.float().softmax(1)",
        "tests/core/test_evaluate.py::test_pixel_loss_is_a_sum_over_labeled_pixels",
    ),
    Bug(
        "gradients-pile-up",
        LOSS,
        "The loss falls like a healthy one for some steps, then stays high and wanders up and "
        "down; the prediction is a few large blobs. Each step alone looks right.",
        "What is in `.grad` when a step begins?",
        "`zero_grad` is missing: every step also uses the gradients of all steps before.",
        "`optimizer.zero_grad(set_to_none=True)` before each step (once for several batches only "
        "if their gradients are to be added up on purpose).",
        "07",
        "training",
        "Run.step",
        "self.optimizer.zero_grad(set_to_none=True)",
        "pass",
        "tests/core/test_training.py::test_a_step_uses_its_own_gradient",
    ),
    Bug(
        "learning-rate-too-high",
        LOSS,
        "The loss falls quickly to about that of the class frequencies, then slowly and in jerks; "
        "the prediction consists of a few classes in coarse shapes.",
        "Which loss has a network that knows how frequent each class is, and nothing else? Is "
        "this one better?",
        "The learning rate is a hundred times too high: the first steps throw the weights far "
        "away, and every later step is too long to find the way back.",
        "Try a few rates for an epoch or two (chapter 07); take the largest with which the loss "
        "falls steadily.",
        "07",
        "training",
        "Run.learning_rate",
        "self.config.learning_rate_at(done)",
        "100 * self.config.learning_rate_at(done)",
        "tests/core/test_training.py::test_schedules",
    ),
    Bug(
        "labels-scaled",
        LOSS,
        "The loss is almost 0 after a few steps, and the prediction is road everywhere, with "
        "sidewalk where the label is void.",
        "Print the unique values of a target. A loss that is too good is a symptom like any other.",
        "`ToTensor` was used on the label: it divides by 255. Rounded to integers every class is "
        "0, and void, 255, becomes 1.",
        "Turn labels into tensors without scaling: `torch.from_numpy(label.astype(np.int64))`.",
        "05",
        "dataset",
        "CityscapesDataset.__getitem__",
        "torch.from_numpy(target.astype(np.int64))",
        "(torch.from_numpy(target.copy()) / 255).long()",
        "tests/core/test_dataset.py::test_center_crop_is_aligned_to_the_pixel",
    ),
    Bug(
        "nothing-but-void",
        LOSS,
        "The mean training loss of some epochs is nan, of others with every seed, although the "
        "network goes on learning. The data and the learning rate are fine.",
        "Which batch was it? Count its labeled pixels.",
        "A batch without one labeled pixel: the mean over no pixels is 0 / 0. Its gradients are 0, "
        "so the weights stay as they are, but one nan in a sum makes the sum nan.",
        "Add the losses up, count the labeled pixels, divide by `pixels.clamp(min=1)`; or leave "
        "such crops out.",
        "07",
        "evaluate",
        "pixel_loss",
        "reduction=how).sum()",
        'reduction="mean") * (target != IGNORE).sum()',
        "tests/core/test_evaluate.py::test_pixel_loss_is_a_sum_over_labeled_pixels",
    ),
    Bug(
        "variance-for-deviation",
        LOSS,
        "Training is slow and jumpy; the inputs have values of 5 and -5 and more.",
        "Normalize a few frames and compute mean and standard deviation: they should be near 0 "
        "and 1.",
        "Divided by the variance, not by its square root.",
        "`std = sqrt(E[x²] - E[x]²)`, pooled over all pixels of the training frames.",
        "04",
        "normalization",
        "from_histogram",
        "sqrt(Fraction(",
        "float(Fraction(",
        "tests/core/test_normalization.py::test_deviation_is_the_root",
    ),
    Bug(
        "normalized-otherwise",
        SCORE,
        "The checkpoint scored well when it was trained and scores clearly less when it is "
        "evaluated elsewhere.",
        "Which mean and std did the training use, and which does the evaluation?",
        "The input is normalized with other constants than those of the training.",
        "Keep mean and std in the checkpoint and read them from there.",
        "08",
        "evaluate",
        "dataset_for",
        ', info["mean"], info["std"]',
        "",
        "tests/core/test_evaluate.py::test_the_checkpoint_says_how_to_normalize",
    ),
    Bug(
        "eval-forgotten",
        SCORE,
        "Scores differ from call to call, or with the batch size, although nothing is trained.",
        "Which layers behave differently while training?",
        "`model.eval()` is missing: dropout still drops, and batch norm uses the statistics of "
        "this batch (and changes its running ones).",
        "`model.eval()` and `torch.no_grad()` around every evaluation, `model.train()` after it.",
        "08",
        "evaluate",
        "score_batches",
        "model.eval()",
        "pass",
        "tests/core/test_evaluate.py::test_scores_do_not_depend_on_the_batch_size",
    ),
    Bug(
        "weights-not-restored",
        SCORE,
        "The loaded model scores like a coin, and differently each time it is loaded.",
        "Compare one weight of the model with the one in the file.",
        "The network was built and the file was read, but `load_state_dict` was never called (or "
        "was called with `strict=False`, and no name fitted).",
        "`model.load_state_dict(weights)`, strict, and a test that a saved model comes back equal.",
        "08",
        "checkpoints",
        "load_weights",
        "model.load_state_dict(weights)",
        "pass",
        "tests/core/test_checkpoints.py::test_a_saved_model_comes_back",
    ),
    Bug(
        "one-pixel-off",
        SCORE,
        "Everything works, the large classes are fine, and thin ones (pole, sign) are a few "
        "points lower than they should be.",
        "Draw the outline of the label over the frame, enlarged, at a pole.",
        "Frame and label are cropped at different places: an off-by-one in one of the two windows.",
        "Compute both windows from one number; test with a frame whose pixels know their own "
        "position.",
        "05",
        "windows",
        "View.pair",
        "cut(label, top, left,",
        "cut(label, top + 1, left + 1,",
        "tests/core/test_dataset.py::test_center_crop_is_aligned_to_the_pixel",
    ),
    Bug(
        "mean-of-means",
        SCORE,
        "Your mIoU and somebody else's differ a lot on the same predictions.",
        "Is IoU computed once from all pixels, or for each frame and then averaged?",
        "The mean over the frames' mIoUs is another quantity than the pooled one: in it, a class "
        "that a frame calls falsely, or that covers ten pixels, counts as much as a street.",
        "One confusion matrix over the whole split, divided once at the end, as the official "
        "script does.",
        "08",
        "evaluate",
        "Scores.mean_iou",
        "return self.confusion.mean_iou()",
        "return float(np.mean([frame.mean_iou() for frame in self.per_frame]))",
        "tests/core/test_evaluate.py::test_mean_iou_is_pooled",
    ),
    Bug(
        "void-counted",
        SCORE,
        "Pixel accuracy is lower than it should be, by up to the share of void pixels, and many "
        "classes have false alarms that no picture shows.",
        "Add up the confusion matrix. Does it have as many entries as there are labeled pixels?",
        "Pixels whose truth is 255 were counted as road: the void had become a 0.",
        "Count only where the truth is a class; what is predicted on void does not matter.",
        "08",
        "metrics",
        "count_pairs",
        "256 * target",
        "256 * (target % 255)",
        "tests/core/test_metrics.py::test_void_predictions_do_not_matter",
    ),
    Bug(
        "matrix-transposed",
        SCORE,
        "mIoU is right (or nearly), but the class accuracies look strange: rare classes are "
        '"found" almost always.',
        "Rows are the truth here. Take an example with three pixels and fill the matrix by hand.",
        "Truth and prediction changed places. IoU does not notice it. Recall and precision "
        "do, and so do void pixels.",
        "Rows truth, columns prediction; test with an example that is not symmetric.",
        "08",
        "metrics",
        "count_pairs",
        "256 * target + prediction",
        "256 * prediction + target",
        "tests/core/test_metrics.py::test_scores_by_hand",
    ),
    Bug(
        "running-statistics-of-one-batch",
        SCORE,
        "The training loss falls smoothly, the validation score jumps from epoch to epoch, worst "
        "with batches of one or two frames.",
        "Evaluate the same weights once with batch statistics and once with running ones.",
        "Batch norm's running mean and variance come from the last batch alone (a momentum of "
        "1), or from batches too small to say anything.",
        "PyTorch's `momentum` is the share of the new batch: 0.1. With very small batches use "
        "another norm.",
        "06",
        "unet",
        "double_conv",
        "nn.BatchNorm2d(out_channels)",
        "nn.BatchNorm2d(out_channels, momentum=1.0)",
        "tests/core/test_unet.py::test_running_statistics_remember",
    ),
    Bug(
        "masks-averaged",
        PICTURE,
        "Thin lines of classes that are not in the scene run along every outline; an id that no "
        "file has turns up.",
        "Which interpolation did the resizing of the label use? What is halfway between road (7) "
        "and car (26)?",
        "The label was resized bilinearly. Ids are names, and the mean of two names is a third "
        "one.",
        "Nearest neighbor for labels, averaging for frames.",
        "05",
        "windows",
        "reduce_label",
        "return label[rows][:, columns]",
        "size = (len(columns), len(rows))\n"
        "    return np.asarray(Image.fromarray(label).resize(size, Image.Resampling.BILINEAR))",
        "tests/core/test_windows.py::test_reduce_takes_the_right_pixels",
    ),
    Bug(
        "flipped-alone",
        PICTURE,
        "Half of the training pairs do not fit: overlays show a mirrored label. Training works, "
        "but the score stays low and everything left and right is confused.",
        "Overlay frame and label as the training sees them, after augmentation, for several "
        "epochs.",
        "The frame was flipped and the label was not.",
        "One random decision for the pair; transform both in one function.",
        "05",
        "dataset",
        "CityscapesDataset.pair",
        "label = label[:, ::-1]",
        "pass",
        "tests/core/test_dataset.py::test_random_crop_and_flip_move_both_alike",
    ),
    Bug(
        "blue-and-red-exchanged",
        PICTURE,
        "Frames have a blue cast, brake lights are blue; a checkpoint that was trained elsewhere "
        "scores lower than it should.",
        "Show the tensor that the network gets as a picture, and look at something whose color "
        "you know.",
        "OpenCV reads BGR; the network was trained on RGB.",
        "Read with pillow, or `image[..., ::-1].copy()` right after `cv2.imread`.",
        "05",
        "dataset",
        "read_pair",
        'open_image(f"{root}/{row.image}")',
        'open_image(f"{root}/{row.image}")[..., ::-1]',
        "tests/core/test_dataset.py::test_center_crop_is_aligned_to_the_pixel",
    ),
    Bug(
        "validation-shuffled",
        PICTURE,
        'The list "worst frames first" shows good frames; scores and pictures do not belong '
        "together. The total is right.",
        "Is the n-th score the score of the n-th frame?",
        "The batches of the validation come in random order, as if its loader shuffled.",
        "Shuffle training only. Evaluation walks through the CSV in its order.",
        "09",
        "evaluate",
        "score_batches",
        "in batches:",
        "in sorted(batches, key=lambda _: float(torch.rand(1))):",
        "tests/core/test_evaluate.py::test_scores_come_in_the_order_of_the_frames",
    ),
    Bug(
        "optimizer-not-restored",
        RUN,
        "After every interruption the loss makes a jump, and a resumed run ends elsewhere than "
        "an uninterrupted one.",
        "What does Adam know besides the weights?",
        "Only the weights were restored; the optimizer's running means began again at zero.",
        "Keep `optimizer.state_dict()` in the checkpoint, and load it.",
        "07",
        "training",
        "Run.resume",
        'self.optimizer.load_state_dict(state["optimizer"])',
        "pass",
        "tests/core/test_training.py::test_more_epochs_later_equal_all_at_once",
    ),
    Bug(
        "every-epoch-alike",
        RUN,
        "Each epoch has the same batches in the same order; augmentation repeats itself.",
        "Print the order of the frames in the first two epochs.",
        "The random generator is seeded with the run's seed alone, anew in every epoch.",
        "Seed with (seed, epoch), which is as repeatable and not the same each time.",
        "07",
        "training",
        "Run.batches",
        "manual_seed(self.config.seed * 100_003 + epoch)",
        "manual_seed(self.config.seed * 100_003)",
        "tests/core/test_training.py::test_an_epoch_has_every_frame_once_in_an_order_of_its_own",
    ),
    Bug(
        "validation-augmented",
        RUN,
        "The score that a training prints and the one that a later evaluation of the same "
        "checkpoint finds differ.",
        "Compare a validation pair of the training with the same frame read afresh.",
        "Random crops and flips are on for the validation split too.",
        "Augment training only.",
        "07",
        "recipes",
        "make_datasets",
        'config.augment and split == "train"',
        "config.augment",
        "tests/core/test_training.py::test_only_training_is_augmented",
    ),
)

"""Predict: what a trained model says of pictures.

python flows/predict.py photo.png another.jpg       # by the champion, else the newest comparison's winner
python flows/predict.py --model baseline test:88    # image 88 of the test set, by a network of that comparison
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # in flows/, nothing is found by its bare name
    from flows.environment import prepare_python

    prepare_python()

import contextlib
import csv
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ClassVar

from pydantic import Field, model_validator

from flows.model_command import ModelOptions, fail, main, working
from tasks.data.idx import read_idx
from tasks.formatting import count, join_words, percent
from tasks.pipeline.errors import UserError, reason
from tasks.pipeline.reading import printable
from tasks.serving.inference import inference
from tasks.serving.inputs import EXPECTED, GivenImage, check_name, files_in, read_images
from tasks.serving.outliers import TrainingRanges
from tasks.serving.predictions import Prediction, predict_images
from tasks.serving.selection import SelectedModel, select_model

SHADES = " .:-=+*#%@"  # from black to white
Predicted = Iterable[tuple[GivenImage, Prediction]]


class PredictOptions(ModelOptions):
    """Predict the class of pictures with a trained model."""

    program: ClassVar[str] = "python flows/predict.py"
    positional: ClassVar[str] = "images"
    examples: ClassVar[str] = """\
examples:
  python flows/predict.py photo.png another.jpg      by the champion, else the newest comparison's winner
  python flows/predict.py --model baseline test:88   by another network, image 88 of the test set
  python flows/predict.py --csv folder > all.csv     all images in a folder"""

    images: tuple[str, ...] = Field(
        (),
        description="pictures (PNG, JPEG, WebP, BMP), .npy arrays, IDX files (.gz too), folders of them, test:N or "
        "train:N of the data set, or - for standard input",
    )
    show: bool = False
    """draw each image as the network gets it"""
    json_: bool = Field(False, alias="json", description="print JSON, for programs")
    csv_: bool = Field(False, alias="csv", description="print CSV, for many images")

    @model_validator(mode="after")
    def _one_output(self) -> "PredictOptions":
        if not self.images:
            raise ValueError("give an image, e.g. photo.png or test:88; see --help")
        if self.show + self.json_ + self.csv_ > 1:
            raise ValueError("give one of --show, --json and --csv")
        return self


def predict(options: PredictOptions) -> int:
    """Print what the model says of each image; return 2 if some cannot be used, which do not stop the others."""
    selected = select_model(options.data_dir, options.model, champion=options.champion)
    refused: list[dict[str, str]] = []
    as_text = partial(_write_text, show=options.show)
    write = partial(_write_json, refused=refused) if options.json_ else _write_csv if options.csv_ else as_text
    if not (names := _names(options.images, refused)) and not options.json_:
        return UserError.exit_status
    with contextlib.ExitStack() as stack:
        with working("loading the model"), ThreadPoolExecutor(1) as pool:
            measured = pool.submit(_training_ranges, selected)  # while TensorFlow is imported here
            model = stack.enter_context(inference(selected))
            ranges = measured.result()
        images = _images(names, selected, ranges, refused)
        with working("predicting", beside_output=True) as say:
            write(_counted(predict_images(images, model, selected, ranges), say), selected)
    return UserError.exit_status if refused else 0


def _training_ranges(selected: SelectedModel) -> TrainingRanges:
    return TrainingRanges.of(read_idx(selected.download.folder / selected.data_set.files["train_images"].name))


def _names(given: Iterable[str], refused: list[dict[str, str]]) -> list[str]:
    """Return the names of what exists, each folder's files instead of the folder; say what does not."""
    names = []
    for name in given:
        try:
            check_name(name)
            if not Path(name).is_dir():
                names.append(name)
                continue
            known, others = files_in(Path(name))
            names += map(str, known)
            if others:
                left = join_words([path.name for path in others])
                print(f"{name}: not read, as not {EXPECTED}: {printable(left)}", file=sys.stderr)
        except (UserError, OSError) as error:
            _refuse(name, error, refused)
    return names


def _images(
    names: list[str], selected: SelectedModel, ranges: TrainingRanges, refused: list[dict[str, str]]
) -> Iterator[GivenImage]:
    for name in names:
        try:
            yield from read_images(name, selected, ranges)
        except UserError as error:
            _refuse(name, error, refused)


def _refuse(name: str, error: UserError | OSError, refused: list[dict[str, str]]) -> None:
    sentence = error if isinstance(error, UserError) else UserError(f"{name}: {reason(error).lower()}")
    refused.append({"image": name, "error": str(sentence)})
    fail(sentence)


def _counted(predicted: Predicted, say: Callable[[str], None]) -> Predicted:
    for number, of_image in enumerate(predicted, 1):
        if number % 1_000 == 0:
            say(f"{count(number)} images")
        yield of_image


def describe_model(selected: SelectedModel) -> list[str]:
    """Return which model this is, by which right, how good it is, and what may undercut that."""
    test, made = selected.metrics["test"].accuracy, selected.compare.manifest["made"]["at"][:10]
    winner = f"winner of the comparison of {made}"
    won = winner if selected.is_winner else f"not the {winner}, which is {selected.compare.summary['winner']}"
    by_right = f"champion since {selected.champion.since[:10]}; {won}" if selected.champion else won
    accuracy = f"{percent(test.value)} of {count(selected.metrics['test'].images)} test images right"
    interval = f"95% CI {percent(test.low)} to {percent(test.high)}"
    return [
        f"Model: {selected.name} ({by_right}; {accuracy}, {interval})",
        *(f"Caution: {of}" for of in selected.cautions),
    ]


def _write_text(predicted: Predicted, selected: SelectedModel, show: bool = False) -> None:
    print("\n".join(describe_model(selected)), end="\n\n")
    for image, prediction in predicted:
        if show:
            print("\n".join("".join(2 * SHADES[shade * 10 // 256] for shade in row) for row in image.gray.tolist()))
        print("\n    ".join(_lines(prediction)), flush=True)


def _lines(of: Prediction) -> list[str]:
    """Return a prediction as lines: the answer, how often such an answer is right, and what may undercut it."""
    truth = " (correct)" if of.label == of.predicted else f" (wrong: it is {of.label})" if of.label else ""
    choices = f"{of.predicted} {percent(of.probability, 1)}, then {of.runner_up} {percent(of.runner_up_probability, 1)}"
    lines = [f"{printable(of.image)}: {choices}{truth}"]
    if known := of.at_this_confidence:
        value, low, high = (percent(share, 1) for share in (known.accuracy.value, *known.accuracy.interval))
        alike = f"the {count(known.images)} test images with {percent(known.low, 0)} to {percent(known.high, 0)}"
        lines.append(f"of {alike}, {value} were right (95% CI {low} to {high})")
    if of.done:
        lines.append(", ".join(of.done))
    if of.outliers:
        lines.append(f"outside the range of 99.9% of the training images: {'; '.join(map(str, of.outliers))}")
        lines.append("so the probability is not reliable for this image")
    return lines


def _write_csv(predicted: Predicted, selected: SelectedModel) -> None:
    names = selected.data_set.class_names
    columns = ("image", "predicted", "probability", "runner_up", "runner_up_probability")
    last = ("right_at_this_confidence", "label", "done", "outliers", "model")
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow([*columns, *names, *last])
    for _, of in predicted:
        known = of.at_this_confidence
        right = [
            known.accuracy.value if known else None,
            of.label,
            "; ".join(of.done),
            "; ".join(map(str, of.outliers)),
        ]
        table.writerow([*(getattr(of, name) for name in columns), *of.probabilities.values(), *right, selected.name])


def _write_json(predicted: Predicted, selected: SelectedModel, refused: list[dict[str, str]]) -> None:
    made = selected.compare.manifest["made"]["at"]
    model = {
        "name": selected.name,
        "network": selected.network,
        "comparison": {"key": selected.compare.key, "made_at": made, "winner": selected.compare.summary["winner"]},
        "champion_since": selected.champion.since if selected.champion else None,
        "test_accuracy": selected.metrics["test"].accuracy.model_dump(),
        "test_time_augmentation": selected.tta,
        "cautions": selected.cautions,
    }
    print(f'{{"model": {json.dumps(model)},\n"predictions": [', end="")
    for place, (_, of) in enumerate(predicted):
        print(",\n" if place else "\n", json.dumps(of.model_dump()), sep="", end="")
    print(f'\n],\n"refused": {json.dumps(refused)}}}')


if __name__ == "__main__":
    main(predict, PredictOptions)

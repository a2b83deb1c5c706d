import numpy as np

from tasks.evaluation.predictions import load_probabilities
from tasks.serving.inference import inference
from tasks.serving.inputs import read_images
from tasks.serving.predictions import predict_images


def test_a_model_says_of_the_test_images_what_its_evaluation_has_measured(selected, familiarity, tensorflow):
    indices = np.load(selected.prepare.folder / "test_indices.npy").tolist()
    names = [f"test:{index}" for index in indices]
    images = (image for name in names for image in read_images(name, selected, familiarity))
    with inference(selected) as predict:
        found = [prediction for _, prediction in predict_images(images, predict, selected, familiarity)]
    given = np.array([[*of.probabilities.values()] for of in found], np.float32)
    assert (given == load_probabilities(selected.evaluate.folder, "test")).all()
    accuracy = np.mean([of.predicted == of.label for of in found])
    assert accuracy == selected.metrics["test"].accuracy.value
    for of in found:
        assert of.at_this_confidence.low <= of.probability <= of.at_this_confidence.high
        assert of.probability >= of.runner_up_probability

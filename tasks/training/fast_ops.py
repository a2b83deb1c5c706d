"""Kernels: a network's own layers, trained by faster operations than those that Keras takes for them.

What is computed stays the same, but for the rounding, and so does what is saved. See docs/decisions/0021.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf
from keras import layers

SMALL = 49  # pixels of a feature map at most, of which a kernel's gradient is had sooner by products of matrices


def use_fast_ops(model: keras.Model) -> None:
    """Have a model's usual normalizations, and its convolutions that keep the size, computed so in training."""
    for layer in model.layers:
        if type(layer) is layers.BatchNormalization and _is_usual(layer):
            layer.call = partial(_normalized, layer, layer.call)
        elif type(layer) is layers.Conv2D and _keeps_size(layer):
            layer.convolution_op = partial(_convolved, layer.convolution_op)


def _is_usual(layer: layers.BatchNormalization) -> bool:
    return layer.scale and layer.center and not layer.renorm and layer.variable_dtype == "float32"


def _keeps_size(layer: layers.Conv2D) -> bool:
    plain = layer.groups == 1 and layer.data_format == "channels_last"
    return plain and layer.padding == "same" and {*layer.strides, *layer.dilation_rate} == {1}


def _normalized(
    layer: layers.BatchNormalization,
    by_keras: Callable[..., tf.Tensor],
    inputs: tf.Tensor,
    training: bool | None = None,
    mask: tf.Tensor | None = None,
) -> tf.Tensor:
    """Normalize images by the batch's statistics, and move the kept ones, with TensorFlow's fused kernel."""
    of_images = len(inputs.shape) == 4 and layer.axis in (-1, 3)
    if not (training and layer.trainable and of_images and mask is None):
        return by_keras(inputs, training=training, mask=mask)
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=tf.convert_to_tensor(layer.gamma),
        offset=tf.convert_to_tensor(layer.beta),
        mean=[],
        variance=[],
        epsilon=layer.epsilon,
        is_training=True,
    )
    count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
    new = 1.0 - layer.momentum
    layer.moving_mean.assign(layer.moving_mean * layer.momentum + mean * new)
    biased = (count - 1) * (1 / count * new)  # share of the variance, as Keras keeps it
    layer.moving_variance.assign(layer.moving_variance * layer.momentum + variance * biased)
    return outputs


def _convolved(by_keras: Callable[..., tf.Tensor], images: tf.Tensor, kernel: Any) -> tf.Tensor:
    """Convolve; where the images are small, the kernel's gradient is a product of matrices for each of its places."""
    kernel = tf.convert_to_tensor(kernel)
    _, height, width, channels = images.shape
    if not (height and width and height * width <= SMALL):
        return by_keras(images, kernel)

    @tf.custom_gradient
    def convolution(images: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            of_images = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(images), filter=kernel, out_backprop=upstream, strides=[1] * 4, padding="SAME"
            )
            rows, columns, _, filters = kernel.shape
            padded = tf.pad(images, [[0, 0], *([(size - 1) // 2, size // 2] for size in (rows, columns)), [0, 0]])
            upstream = tf.reshape(upstream, (-1, filters))
            places = [
                tf.reshape(padded[:, top : top + height, left : left + width], (-1, channels))
                for top in range(rows)
                for left in range(columns)
            ]
            products = [tf.matmul(place, upstream, transpose_a=True) for place in places]
            return of_images, tf.reshape(tf.stack(products), kernel.shape)

        return by_keras(images, kernel), gradients

    return convolution(images, kernel)

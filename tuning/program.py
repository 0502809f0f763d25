"""A compiled model kept to train many trials, seeds and folds of the same structure.

Tracing a graph costs from one to ten seconds, a step of a small network a fraction of a millisecond. A
program is traced once; what differs between two trainings of the same structure are variables of its
graph (weights, optimizer slots, random state, learning rate, dropout, strengths of the augmentation).
"""

import time
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from scipy.special import softmax

from tuning.augment import Augmentation, mirroring_unless
from tuning.initial_weights import backbone_weights, fresh_model, in_head, start_from

SCHEDULES = {"constant": 0.0, "cosine": 1.0}
# Training hyperparameters that every program has as variables.
SETTINGS = ("learning_rate", "schedule", "stable", "weight_decay", "dropout", "label_smoothing", "clean")
# A batch predicted at once: a network's activations are tens of times as large as what it is given.
_PREDICTED_BYTES = 4 * 2**20
_PREDICTED_SAMPLES = 256
_WARMUP = 0.05  # share of the steps over which the learning rate rises from zero
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-7  # of Adam


class Program:
    """One traced graph.

    Parameters
    ----------
    build : makes a fresh, uncompiled model ending in logits, its initial weights drawn by Keras, which takes their
        seeds from Python's `random`.
    sample_shape : shape of one sample as the data have it, channels last. A model that takes a vector
        gets it flattened, after the augmentation.
    augmentation : variations of training samples, or None.
    freezable : whether the setting "frozen" exists: the share of the steps in which only the layer named
        `HEAD` learns (batch normalisation goes on following the batches). For networks that do not start from
        random weights.

    Attributes
    ----------
    settings : the training hyperparameters that are variables of the graph, by name.
    first_call_seconds : what the first call of `run` took, which traces and optimises the graph; 0 before.
    """

    first_call_seconds = 0.0

    def __init__(
        self,
        build: Callable[[], keras.Model],
        sample_shape: Sequence[int],
        augmentation: Augmentation | None = None,
        freezable: bool = False,
    ) -> None:
        self.build = build
        self.model = build()
        self.sample_shape = tuple(sample_shape)
        self.augmentation = augmentation
        names = [*SETTINGS, *(["frozen"] if freezable else [])]
        names += augmentation.strengths if augmentation else ()
        self.settings = {name: tf.Variable(0.0, name=name) for name in names}
        self._total_steps = tf.Variable(1.0, name="total_steps")
        self._step = tf.Variable(0, dtype=tf.int64, name="step")
        self._seed = tf.Variable(0, dtype=tf.int32, name="seed")
        # Adam's moments; its step is one fused operation a variable, where Keras' own takes some ten.
        self._moments = [
            (tf.Variable(tf.zeros(v.shape)), tf.Variable(tf.zeros(v.shape)))
            for v in self.model.trainable_variables
        ]
        self._dropouts = [v for v in self.model.non_trainable_variables if v.name == "dropout_rate"]
        self._initial: dict[int, list[np.ndarray]] = {}
        sample = tf.TensorSpec([None, *self.sample_shape], tf.float32)
        label = tf.TensorSpec([None], tf.int32)
        weight = tf.TensorSpec([None], tf.float32)
        batch_size = tf.TensorSpec([], tf.int32)
        self._train = tf.function(
            self._train_steps, input_signature=[sample, label, weight, batch_size], autograph=False
        )
        self._logits = tf.function(self._predict_batch, input_signature=[sample], autograph=False)

    def reset(
        self,
        seed: int,
        settings: dict[str, float],
        total_steps: int,
        start: Sequence[np.ndarray | None] | None = None,
    ) -> None:
        """Put the program into the state of a fresh model and optimizer.

        Parameters
        ----------
        seed : determines initial weights, dropout and augmentation.
        settings : a value for each of `settings`; those not named become 0.
        total_steps : over which the learning-rate schedule runs.
        start : weights of everything but the head, as `backbone` gives them; None among them stays random.

        Raises ValueError: a setting that this program does not have, or weights of another structure.
        """
        unknown = set(settings) - set(self.settings)
        if unknown:
            raise ValueError(f"no such training setting: {', '.join(sorted(unknown))}")
        for variable, value in zip(self.model.variables, self._initial_values(seed), strict=True):
            variable.assign(value)
        start_from(self.model, start or ())
        for variable in (moment for pair in self._moments for moment in pair):
            variable.assign(tf.zeros_like(variable))
        for name, variable in self.settings.items():
            variable.assign(settings.get(name, 0.0))
        for rate in self._dropouts:
            rate.assign(settings.get("dropout", 0.0))
        self._seed.assign(seed % 2**31)
        self._total_steps.assign(float(max(total_steps, 1)))
        self._step.assign(0)

    def _initial_values(self, seed: int) -> list[np.ndarray]:
        """The variables of a fresh model, kept for the last seed: the trials of a search share it."""
        if seed not in self._initial:
            self._initial = {seed: [variable.numpy() for variable in fresh_model(self.build, seed).variables]}
        return self._initial[seed]

    def run(self, x: np.ndarray, y: np.ndarray, weights: np.ndarray, batch_size: int) -> tuple[float, float]:
        """Take a step for each full batch of `x` (at least one), in order, in one compiled call.

        Parameters
        ----------
        x : float32 `[n, *sample_shape]`.
        y, weights : int and float32 `[n]`: label of each sample, and its weight in the loss.
        batch_size : samples a step; what is left over at the end is not used.

        Returns loss and accuracy, means over the steps, of the batches as they were trained on.
        """
        started = time.perf_counter()
        loss, accuracy = self._train(
            tf.convert_to_tensor(x, tf.float32),
            tf.convert_to_tensor(y, tf.int32),
            tf.convert_to_tensor(weights, tf.float32),
            tf.constant(batch_size, tf.int32),
        )
        found = float(loss), float(accuracy)
        self.first_call_seconds = self.first_call_seconds or time.perf_counter() - started
        return found

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Class probabilities, float64 `[n, n_classes]`, summing to one."""
        sample_bytes = 4 * int(np.prod(self.sample_shape))
        batch_size = min(max(_PREDICTED_BYTES // sample_bytes, 1), _PREDICTED_SAMPLES)
        parts = [
            self._logits(tf.convert_to_tensor(x[start : start + batch_size], tf.float32)).numpy()
            for start in range(0, len(x), batch_size)
        ]
        return softmax(np.concatenate(parts).astype(np.float64), axis=1)

    def backbone(self) -> list[np.ndarray]:
        """The weights of everything but the head, to start another training of this structure from."""
        return [weight.numpy() for weight in backbone_weights(self.model)]

    @property
    def _state_variables(self) -> list:
        return [*self.model.variables, *(moment for pair in self._moments for moment in pair), self._step]

    def state(self) -> list[np.ndarray]:
        """Everything that a training has changed so far: weights, statistics, optimizer, random state."""
        return [variable.numpy() for variable in self._state_variables]

    def set_state(self, state: Sequence[np.ndarray]) -> None:
        """Continue from `state`; call `reset` with the training's seed and settings first."""
        for variable, value in zip(self._state_variables, state, strict=True):
            variable.assign(value)

    def _shape_for_model(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(x, [-1, *self.model.input_shape[1:]])

    def _predict_batch(self, x: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.model(self._shape_for_model(x), training=False), tf.float32)

    def _train_steps(self, x, y, weights, batch_size):
        steps = tf.maximum(tf.shape(x)[0] // batch_size, 1)
        if self.augmentation:  # all at once: small operations cost more than what they compute
            x = self.augmentation(x, self._strengths(), tf.stack([self._seed, tf.cast(self._step, tf.int32)]))

        def body(index, loss, correct):
            part = slice(index * batch_size, (index + 1) * batch_size)
            step_loss, step_correct = self._train_batch(x[part], y[part], weights[part])
            return index + 1, loss + step_loss, correct + step_correct

        _, loss, correct = tf.while_loop(
            lambda index, *_: index < steps,
            body,
            (tf.constant(0), tf.constant(0.0), tf.constant(0.0)),
            parallel_iterations=1,
        )
        return loss / tf.cast(steps, tf.float32), correct / tf.cast(steps, tf.float32)

    def _strengths(self) -> dict[str, tf.Tensor]:
        """Strengths of the augmentation; for the share `clean` of the steps, at the end, of mirroring alone."""
        varies = tf.cast(self._step, tf.float32) < (1 - self.settings["clean"]) * self._total_steps
        strengths = self.augmentation.strengths if self.augmentation else ()
        return mirroring_unless(varies, {name: self.settings[name] for name in strengths})

    def _train_batch(self, x, y, weights):
        rate = self._learning_rate()
        with tf.GradientTape() as tape:
            logits = tf.cast(self.model(self._shape_for_model(x), training=True), tf.float32)
            smoothing = self.settings["label_smoothing"]
            target = tf.one_hot(y, logits.shape[-1]) * (1.0 - smoothing) + smoothing / logits.shape[-1]
            loss = tf.nn.softmax_cross_entropy_with_logits(target, logits)
            # Not divided by the batch's own weights: a class must weigh as much in each batch.
            loss = tf.reduce_mean(loss * weights)
            total = loss + tf.add_n(self.model.losses) if self.model.losses else loss
        trainable = self.model.trainable_variables
        gradients = tape.gradient(total, [variable.value for variable in trainable])
        idle = [v.path for v, gradient in zip(trainable, gradients, strict=True) if gradient is None]
        if idle:
            raise ValueError(
                f"the loss does not hang on the weight {idle[0]}; expected that it does, or no such weight"
            )
        learns = [self._learns(variable) for variable in trainable]
        gradients = [g if share is None else g * share for g, share in zip(gradients, learns, strict=True)]
        for variable, share in zip(trainable, learns, strict=True):
            # Loshchilov and Hutter 2019, "Decoupled weight decay", by the whole learning rate as in PyTorch.
            if len(variable.shape) > 1:
                decay = rate * self.settings["weight_decay"] * (1.0 if share is None else share)
                variable.assign(variable * (1.0 - decay))
        self._adam(rate, gradients, trainable)
        self._step.assign_add(1)
        hits = tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), y)
        return loss, tf.reduce_mean(tf.cast(hits, tf.float32))

    def _adam(self, rate, gradients, trainable) -> None:
        """One step of Adam (Kingma and Ba 2015, ICLR, algorithm 1, with the bias corrections in the rate).

        What was frozen counts its steps from when it began to learn: its moments are as fresh as at a start.
        """
        first = tf.cast(self._step + 1, tf.float32)
        thawed = first
        if "frozen" in self.settings:
            thawed = tf.maximum(first - tf.math.ceil(self.settings["frozen"] * self._total_steps), 1.0)
        for variable, gradient, (mean, square) in zip(trainable, gradients, self._moments, strict=True):
            step = first if in_head(variable) else thawed
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle,
                m=mean.handle,
                v=square.handle,
                beta1_power=tf.pow(_BETA1, step),
                beta2_power=tf.pow(_BETA2, step),
                lr=rate,
                beta1=_BETA1,
                beta2=_BETA2,
                epsilon=_EPSILON,
                grad=gradient,
            )

    def _learns(self, variable) -> tf.Tensor | None:
        """1 where a variable learns at this step, 0 where it is frozen; None where it always does."""
        if "frozen" not in self.settings or in_head(variable):
            return None
        return tf.cast(
            tf.cast(self._step, tf.float32) >= self.settings["frozen"] * self._total_steps, tf.float32
        )

    def _learning_rate(self) -> tf.Tensor:
        """Linear warm-up, then constant, or constant for the share `stable` and then a half cosine to zero.

        While it is constant the rate does not hang on how long the training will be, so that one which proves
        good can go on (Hägele et al. 2024, "Scaling laws and compute-optimal training beyond fixed training
        durations", NeurIPS); the cosine is that of Loshchilov and Hutter 2017, SGDR.
        """
        progress = (tf.cast(self._step, tf.float32) + 0.5) / self._total_steps
        warmup = tf.minimum(progress / _WARMUP, 1.0)
        stable = self.settings["stable"]
        cosine = 0.5 * (
            1.0 + tf.cos(np.pi * tf.clip_by_value((progress - stable) / (1.0 - stable), 0.0, 1.0))
        )
        schedule = self.settings["schedule"]
        return self.settings["learning_rate"] * warmup * (1.0 - schedule * (1.0 - cosine))

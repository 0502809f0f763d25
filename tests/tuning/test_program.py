"""A program trains as a fresh model does, to the last bit, whatever it has trained before."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from architectures.layers.dense import AdjustableDropout
from tuning.augment import STRENGTHS, Augmentation
from tuning.program import SCHEDULES, Program

CLASSES, SHAPE = 3, (8, 8, 1)
SETTINGS = {
    "learning_rate": 3e-3,
    "schedule": 1.0,
    "weight_decay": 0.1,
    "dropout": 0.3,
    "label_smoothing": 0.1,
}


def dense() -> keras.Model:
    inputs = keras.Input((64,))
    x = keras.layers.Dense(8, activation="relu")(inputs)
    x = AdjustableDropout()(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, name="head")(x))


def convolutional() -> keras.Model:
    """Convolution, batch normalisation, dropout, an L2 penalty: everything that keeps a state."""
    inputs = keras.Input(SHAPE)
    x = keras.layers.Conv2D(4, 3, padding="same", kernel_regularizer=keras.regularizers.L2(1e-3))(inputs)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.ReLU()(x)
    x = AdjustableDropout(0.5)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, name="head")(x))


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(CLASSES, size=24)
    x = rng.normal(size=(24, *SHAPE)).astype(np.float32) + y[:, None, None, None] * 0.5
    return x.astype(np.float32), y, np.ones(24, np.float32)


def train(program: Program, samples, seed: int = 11, settings: dict | None = None, epochs: int = 2) -> list:
    program.reset(seed, settings or SETTINGS, total_steps=3 * epochs)
    losses = [program.run(*samples, batch_size=8) for _ in range(epochs)]
    return [losses, *program.state()]


def assert_equal_bits(one: list, other: list) -> None:
    assert one[0] == other[0]
    for a, b in zip(one[1:], other[1:], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("build", [dense, convolutional])
def test_the_nth_training_equals_one_in_a_fresh_program(build, samples):
    augmentation = Augmentation(STRENGTHS)
    strengths = dict.fromkeys(STRENGTHS, 0.1) | {"rotation_degrees": 10.0}
    settings = SETTINGS | strengths
    fresh = train(Program(build, SHAPE, augmentation), samples, settings=settings)
    used = Program(build, SHAPE, augmentation)
    other = {"learning_rate": 0.1, "weight_decay": 0.5, "dropout": 0.6, "noise": 0.5, "elastic": 0.1}
    train(used, samples, seed=5, settings=other, epochs=3)
    train(used, samples, seed=11, settings=other)
    used.predict(samples[0])
    assert_equal_bits(train(used, samples, settings=settings), fresh)
    assert used._train.experimental_get_tracing_count() == 1


def test_seeds_and_settings_make_a_difference(samples):
    program = Program(dense, SHAPE, Augmentation(("shift",)))
    losses = [
        train(program, samples, seed, SETTINGS | changed)[0]
        for seed, changed in (
            (11, {}),
            (12, {}),
            *((11, {name: 0.4 * value}) for name, value in SETTINGS.items()),
            (11, {"shift": 0.2}),
        )
    ]
    assert len({tuple(loss) for loss in losses}) == len(losses)


def test_going_on_from_a_state_equals_not_stopping(samples):
    augmentation = Augmentation(("rotation_degrees", "noise"))
    settings = SETTINGS | {"rotation_degrees": 10.0, "noise": 0.1}
    program = Program(convolutional, SHAPE, augmentation)
    program.reset(11, settings, total_steps=12)
    program.run(*samples, batch_size=8)
    state = program.state()
    straight = [program.run(*samples, batch_size=8), *program.state()]
    train(program, samples, seed=3)
    program.reset(11, settings, total_steps=12)
    program.set_state(state)
    assert_equal_bits([program.run(*samples, batch_size=8), *program.state()], straight)


def test_a_state_of_another_structure_is_refused():
    program = Program(dense, SHAPE)
    with pytest.raises(ValueError, match="shorter"):
        program.set_state(program.state()[:-1])


def reference_step(model: keras.Model, x, y, weights, learning_rate, decay, smoothing) -> list[np.ndarray]:
    """One step by Keras' own loss and AdamW; biases do not decay."""
    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=decay, epsilon=1e-7)
    optimizer.exclude_from_weight_decay(var_list=[v for v in model.trainable_variables if len(v.shape) == 1])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, reduction=None)
    with tf.GradientTape() as tape:
        values = loss(keras.utils.to_categorical(y, CLASSES), model(x.reshape(len(x), 64), training=True))
        total = tf.reduce_sum(values * weights) / weights.sum()
    gradients = tape.gradient(total, [variable.value for variable in model.trainable_variables])
    optimizer.apply(gradients, model.trainable_variables)
    return [variable.numpy() for variable in model.trainable_variables]


def test_steps_equal_those_of_keras_adamw(samples):
    x, y, _ = samples
    weights = np.linspace(0.5, 1.5, len(x)).astype(np.float32)  # one on average
    program = Program(dense, SHAPE)
    settings = {"learning_rate": 1e-2, "weight_decay": 0.2, "label_smoothing": 0.1}
    program.reset(4, settings, total_steps=1)
    model = keras.models.clone_model(program.model)
    model.set_weights(program.model.get_weights())
    program.run(x, y, weights, batch_size=len(x))
    expected = reference_step(model, x, y, weights, 1e-2, 0.2, 0.1)
    for variable, value in zip(program.model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("stable", [0.0, 0.3])
@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_the_learning_rate_follows_its_schedule(schedule, stable, samples):
    """Linear warm-up over a twentieth of the steps, then constant, or a half cosine from `stable` on."""
    program = Program(dense, SHAPE)
    total = 30
    settings = {"learning_rate": 0.01, "schedule": SCHEDULES[schedule], "stable": stable}
    program.reset(1, settings, total_steps=total)
    rates = []
    for _ in range(total):
        rates.append(float(program._learning_rate()))
        program.run(*(part[:2] for part in samples), batch_size=2)
    progress = (np.arange(total) + 0.5) / total
    expected = 0.01 * np.minimum(progress / 0.05, 1.0)
    if schedule == "cosine":
        expected *= (1 + np.cos(np.pi * np.clip((progress - stable) / (1 - stable), 0, 1))) / 2
    np.testing.assert_allclose(rates, expected, rtol=1e-4, atol=1e-9)


def test_weights_count_alike_in_each_batch(samples):
    """Divided by the batch's own weights, a rare class weighed less the fewer samples a batch had."""
    x, y, _ = samples
    changed = []
    for weight in (1.0, 10.0):
        program = Program(dense, SHAPE)
        program.reset(4, {"learning_rate": 1e-2}, total_steps=1)
        loss, _ = program.run(x[:1], y[:1], np.array([weight], np.float32), batch_size=1)
        changed.append(loss)
    assert changed[1] == pytest.approx(10 * changed[0], rel=1e-5)


def test_one_call_takes_a_step_for_each_full_batch(samples):
    x, y, weights = samples
    program = Program(dense, SHAPE)
    settings = {"learning_rate": 1e-2}
    program.reset(2, settings, total_steps=3)
    together = program.run(x[:23], y[:23], weights[:23], batch_size=7)
    state = program.state()
    program.reset(2, settings, total_steps=3)
    alone = [program.run(*(p[i : i + 7] for p in (x, y, weights)), batch_size=7) for i in (0, 7, 14)]
    np.testing.assert_allclose(together, np.mean(alone, axis=0), rtol=1e-5)
    assert_equal_bits([0, *state], [0, *program.state()])


def test_a_setting_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no such training setting: blur, momentum"):
        Program(dense, SHAPE).reset(1, {"momentum": 0.9, "blur": 0.1, "dropout": 0.0}, total_steps=1)


def test_a_model_of_vectors_gets_its_images_flattened_row_by_row(samples):
    program = Program(dense, SHAPE)
    program.reset(1, {}, total_steps=1)
    x = samples[0]
    logits = program.model(x.reshape(len(x), -1), training=False).numpy()
    expected = keras.ops.softmax(logits.astype(np.float64)).numpy()
    np.testing.assert_allclose(program.predict(x), expected, rtol=1e-5)


def test_probabilities_sum_to_one_whatever_the_batches(samples, monkeypatch):
    program = Program(convolutional, SHAPE)
    program.reset(1, {}, total_steps=1)
    whole = program.predict(samples[0])
    monkeypatch.setattr("tuning.program._PREDICTED_BYTES", 5 * samples[0][0].nbytes)
    parts = program.predict(samples[0])
    np.testing.assert_allclose(whole.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(whole, parts, rtol=1e-5)


def test_large_samples_are_predicted_a_few_at_a_time(monkeypatch):
    sizes = []

    def logits(batch):
        sizes.append(len(batch))
        return tf.zeros((len(batch), 2))

    program = Program(convolutional, SHAPE)
    monkeypatch.setattr(program, "sample_shape", (48, 96, 96, 1))
    monkeypatch.setattr(program, "_logits", logits)
    assert program.predict(np.zeros((5, 48, 96, 96, 1), np.float32)).shape == (5, 2)
    assert sizes == [2, 2, 1]


def test_a_frozen_network_learns_in_its_head_alone_until_it_thaws(samples):
    program = Program(convolutional, SHAPE, freezable=True)
    settings = {"learning_rate": 1e-2, "weight_decay": 0.1, "frozen": 0.5}
    program.reset(1, settings, total_steps=6)
    start = {variable.path: variable.numpy() for variable in program.model.trainable_variables}
    program.run(*samples, batch_size=8)
    for variable in program.model.trainable_variables:
        moved = not np.array_equal(variable.numpy(), start[variable.path])
        assert moved == ("head" in variable.path), variable.path
    program.run(*samples, batch_size=8)
    assert all(not np.array_equal(v.numpy(), start[v.path]) for v in program.model.trainable_variables)


def test_what_thaws_moves_as_at_a_start_by_the_learning_rate(samples):
    program = Program(convolutional, SHAPE, freezable=True)
    program.reset(1, {"learning_rate": 1e-3, "frozen": 0.5}, total_steps=400)
    for _ in range(67):  # 201 steps
        before = [variable.numpy() for variable in program.model.trainable_variables]
        program.run(*samples, batch_size=8)
    for _ in range(10):
        for variable, old in zip(program.model.trainable_variables, before, strict=True):
            assert np.abs(variable.numpy() - old).max() < 3.01e-3, variable.path  # three steps
        before = [variable.numpy() for variable in program.model.trainable_variables]
        program.run(*samples, batch_size=8)


def test_one_that_could_freeze_and_does_not_learns_the_same_to_the_bit(samples):
    """Networks of an architecture share a program; which candidates a sweep has must not show in its results."""
    states = []
    for freezable in (False, True):
        program = Program(convolutional, SHAPE, freezable=freezable)
        program.reset(1, {**SETTINGS, "weight_decay": 0.1}, total_steps=6)
        program.run(*samples, batch_size=8)
        states.append(program.state())
    for without, able in zip(*states, strict=True):
        np.testing.assert_array_equal(without, able)


def test_a_training_can_start_from_the_weights_of_another(samples):
    program = Program(convolutional, SHAPE)
    train(program, samples)
    start = program.backbone()
    program.reset(9, SETTINGS, total_steps=6)
    head = program.model.get_layer("head").kernel.numpy()
    program.reset(9, SETTINGS, 6, start)
    for value, expected in zip(program.backbone(), start, strict=True):
        np.testing.assert_array_equal(value, expected)
    np.testing.assert_array_equal(program.model.get_layer("head").kernel.numpy(), head)


def test_what_a_start_lacks_is_as_the_seed_makes_it(samples):
    program = Program(convolutional, SHAPE)
    program.reset(9, SETTINGS, total_steps=6)
    random = program.backbone()
    train(program, samples)
    start = [None, *program.backbone()[1:]]
    program.reset(9, SETTINGS, 6, start)
    first, *others = program.backbone()
    np.testing.assert_array_equal(first, random[0])
    for value, expected in zip(others, start[1:], strict=True):
        np.testing.assert_array_equal(value, expected)


def test_at_the_end_samples_are_only_mirrored_for_the_share_that_is_clean():
    strengths = {"rotation_degrees": 10.0, "noise": 0.1, "flip": 0.5}
    program = Program(convolutional, SHAPE, Augmentation(tuple(strengths)))
    program.reset(1, {**SETTINGS, **strengths, "clean": 0.25}, total_steps=12)
    for step, expected in ((0, strengths), (8, strengths), (9, {"flip": 0.5}), (11, {"flip": 0.5})):
        program._step.assign(step)
        found = {name: float(value) for name, value in program._strengths().items()}
        assert found == pytest.approx({**dict.fromkeys(strengths, 0.0), **expected})

"""A kept program against a fresh model and `fit`, for one training of the compact network."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

EPOCHS, BATCH, ROUNDS = 20, 128, 5
IMAGES, CLASSES = 7291 * 4 // 5, 10  # the training part of USPS


def measure(folder: Path) -> Iterator[str]:
    """Train alternately by both ways, after one training by each that does not count."""
    del folder
    from tuning import runtime

    runtime.configure()
    import keras_tuner
    import numpy as np

    import architectures
    from tuning.program import Program
    from tuning.training import Recipe, Samples, train

    rng = np.random.default_rng(0)
    x = rng.standard_normal((IMAGES, 256), dtype=np.float32)
    y = rng.integers(0, CLASSES, IMAGES)
    build = architectures.load("compact").build

    def fresh() -> None:
        import keras

        keras.utils.set_random_seed(1)
        model = build(keras_tuner.HyperParameters(), (256,), CLASSES)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.AdamW(2e-3, weight_decay=0.01), loss, metrics=["accuracy"])
        model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)

    program = Program(lambda: build(keras_tuner.HyperParameters(), (256,), CLASSES), (256,))
    samples = Samples(x, y, np.arange(IMAGES))
    recipe = Recipe(EPOCHS, BATCH, settings={"learning_rate": 2e-3, "weight_decay": 0.01})

    def kept() -> None:
        train(program, samples, recipe, 1, CLASSES)

    seconds: dict[str, list[float]] = {"fresh": [], "kept": []}
    for round_ in range(ROUNDS + 1):
        for name, run in (("fresh", fresh), ("kept", kept)):
            started = time.perf_counter()
            run()
            if round_:
                seconds[name].append(time.perf_counter() - started)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = [a / b for a, b in zip(seconds["fresh"], seconds["kept"], strict=True)]
    yield f"{IMAGES} images of 16x16, compact network, {EPOCHS} epochs of {IMAGES // BATCH} steps, one thread"
    yield f"fresh model, compile and fit: {middle['fresh']:.2f} s; kept program: {middle['kept']:.2f} s"
    yield f"ratio {statistics.median(ratios):.1f} (of {ROUNDS} rounds: {min(ratios):.1f} to {max(ratios):.1f})"

"""The plain way: a KerasTuner script as its documentation would have it, which scanbench is measured against.

The same architectures and spaces of hyperparameters, folds, trials, epochs and seeds; NumPy arrays into
`model.fit`, all threads, a fresh model for each training. It does not augment, measure or go on after a kill.
`python -m tests.perf.plain_search JOB.json ARRAYS.npz PREDICTIONS.npz`
"""

import json
import sys
import tempfile

import keras
import keras_tuner
import numpy as np

import architectures
from bench import tasks


class HyperModel(keras_tuner.HyperModel):
    """An architecture with its own hyperparameters and the task's training hyperparameters."""

    def __init__(self, job: dict, architecture: str, shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.job, self.architecture = job, architectures.load(architecture)
        self.shape = (int(np.prod(shape)),) if self.architecture.input == "vector" else shape
        self.n_classes, self.frozen, self.fixed = n_classes, job["frozen"], job["fixed"][architecture]
        task = tasks.load(job["task"])
        self.space = {
            entry.name: entry for entry in task.training_space if entry.name not in task.augmentation
        }

    def build(self, hp):
        # What the preset does not search either; where frozen, the original's form, which the weights fit.
        original = self.architecture.imagenet_values if self.frozen else {}
        for name, value in {**self.fixed, **original}.items():
            hp.Fixed(name, value)
        model = self.architecture.build(hp, self.shape, self.n_classes)
        if self.frozen:
            self.architecture.imagenet(model, self.job["weights"])
            for layer in model.layers:
                layer.trainable = layer.name == "head"
        for entry in self.space.values():
            entry.declare(hp)
        for layer in model.layers:
            if hasattr(layer, "rate"):
                layer.rate.assign(hp.get("dropout"))
        model.compile(
            keras.optimizers.AdamW(self.learning_rate(hp), weight_decay=hp.get("weight_decay")),
            keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=hp.get("label_smoothing")),
            metrics=["accuracy"],
            jit_compile=self.job["jit_compile"],
        )
        return model

    def learning_rate(self, hp):
        rate = hp.get("learning_rate")
        if hp.get("schedule") == "constant":
            return rate
        steps = self.job["epochs"] * (self.job["training_samples"] // hp.get("batch_size"))
        warmup = steps // 20
        return keras.optimizers.schedules.CosineDecay(
            0.0, max(steps - warmup, 1), warmup_target=rate, warmup_steps=warmup
        )

    def fit(self, hp, model, x, y, **kwargs):
        balance = hp.get("balance") if "balance" in self.space else "none"
        counts = np.maximum(np.bincount(y, minlength=self.n_classes), 1)
        if balance == "weighted":
            kwargs["class_weight"] = dict(enumerate(len(y) / (self.n_classes * counts)))
        if balance == "oversample":
            rng = np.random.default_rng(0)
            extra = [rng.choice(np.flatnonzero(y == k), counts.max() - n) for k, n in enumerate(counts)]
            chosen = np.concatenate([np.arange(len(y)), *extra])
            x, y = x[chosen], y[chosen]
        return model.fit(
            x.reshape(-1, *self.shape),
            keras.utils.to_categorical(y, self.n_classes),
            batch_size=hp.get("batch_size"),
            epochs=self.job["epochs"],
            verbose=0,
            **{name: value for name, value in kwargs.items() if name not in ("verbose", "epochs")},
        )


def main(job_file: str, arrays_file: str, predictions_file: str) -> None:
    with open(job_file) as file:
        job = json.load(file)
    with np.load(arrays_file) as file:
        arrays = dict(file)
    x, y = arrays["x"], arrays["y"]
    n_classes = int(y.max()) + 1
    predictions = {}
    for architecture in job["architectures"]:
        for fold in range(job["folds"]):
            train, validation, test = (arrays[f"{part}{fold}"] for part in ("train", "validation", "test"))
            job["training_samples"] = len(train)
            hypermodel = HyperModel(job, architecture, x.shape[1:], n_classes)
            with tempfile.TemporaryDirectory() as folder:
                tuner = keras_tuner.RandomSearch(
                    hypermodel,
                    objective=keras_tuner.Objective("val_accuracy", "max"),
                    max_trials=job["trials"],
                    seed=job["seed"],
                    directory=folder,
                )
                held_out = x[validation].reshape(-1, *hypermodel.shape)
                tuner.search(
                    x[train],
                    y[train],
                    validation_data=(held_out, keras.utils.to_categorical(y[validation], n_classes)),
                    verbose=0,
                )
                (best,) = tuner.get_best_hyperparameters()
            seen = np.concatenate([train, validation])
            job["training_samples"] = len(seen)
            for seed in range(1, job["seeds"] + 1):
                keras.utils.set_random_seed(seed)
                model = hypermodel.build(best)
                hypermodel.fit(best, model, x[seen], y[seen])
                logits = model.predict(x[test].reshape(-1, *hypermodel.shape), verbose=0)
                probabilities = np.asarray(keras.ops.softmax(logits.astype(np.float64)))
                predictions[f"{architecture}/{fold}/{seed}"] = probabilities
    np.savez(predictions_file, **predictions)


if __name__ == "__main__":
    main(*sys.argv[1:])

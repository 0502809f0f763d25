"""A deep, narrow fully connected network."""

from architectures.layers.dense import multilayer_perceptron


class Deep:
    """Four or five hidden layers of equal width, `[256] -> 64..96 (x4..5) -> 10`.

    What depth alone buys: about the parameters of a network between `compact` and `wide`.
    """

    name = "deep"
    title = "Deep MLP"
    input = "vector"

    def build(self, hp, input_shape, n_classes):
        width = hp.Choice("units", [96, 64])
        depth = hp.Choice("layers", [4, 5])
        return multilayer_perceptron(input_shape, n_classes, (width,) * depth, self.name)


architecture = Deep()

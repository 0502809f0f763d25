"""A compact fully connected network with two hidden layers, at most 20,000 parameters on 16x16 images."""

from architectures.layers.dense import multilayer_perceptron


class Compact:
    """Two hidden layers, `[256] -> 48..64 -> 16..32 -> 10`.

    The subject of the digits task: the smallest network that is good enough. LeCun et al. 1989
    ("Backpropagation applied to handwritten zip code recognition", Neural Computation 1) reached
    5.0% error on these digits with 9,760 parameters and shared weights; this one shares none.
    """

    name = "compact"
    title = "Compact MLP"
    input = "vector"

    def build(self, hp, input_shape, n_classes):
        first = hp.Choice("first_units", [64, 48])
        second = hp.Choice("second_units", [32, 16])
        return multilayer_perceptron(input_shape, n_classes, (first, second), self.name)


architecture = Compact()

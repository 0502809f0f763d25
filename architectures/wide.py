"""A wide fully connected network with two hidden layers, at most 100,000 parameters on 16x16 images."""

from architectures.layers.dense import multilayer_perceptron


class Wide:
    """Two hidden layers, `[256] -> 224..256 -> 64..112 -> 10`: what more units alone buy."""

    name = "wide"
    title = "Wide MLP"
    input = "vector"

    def build(self, hp, input_shape, n_classes):
        first = hp.Choice("first_units", [256, 224])
        second = hp.Choice("second_units", [112, 64])
        return multilayer_perceptron(input_shape, n_classes, (first, second), self.name)


architecture = Wide()

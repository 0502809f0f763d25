"""What a trained model costs: size, operations, time, memory, energy. Start at `cost.measure_models`."""

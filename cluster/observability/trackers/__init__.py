"""Where a run's curves go: TensorBoard always, MLflow and Weights & Biases where they are asked for."""

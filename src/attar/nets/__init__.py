"""Plain networks: each maps tensors to tensors, knows nothing of data, and exports to ONNX."""

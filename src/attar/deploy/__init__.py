"""Out: a checked ONNX file, what it costs on a device, and the light session that runs it."""

"""The networks at work without torch: an ensemble as one ONNX file, and OpenVINO, which computes it on the CPU."""

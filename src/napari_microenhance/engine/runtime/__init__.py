"""The only package that talks to onnxruntime: sessions, tensors, execution providers."""

"""vLLM as an engine: the CPU build on a laptop, the GPU build elsewhere, the same code and the same routes."""

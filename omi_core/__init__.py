"""Math instruction data from vLLM teachers: planning, journals, answers, filters, publishing.

Importing this package is cheap (no vllm, torch, datasets or sympy); those are imported where they are used.
"""

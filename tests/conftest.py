"""Quiet, offline, one thread: tiny models gain nothing from more."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import transformers

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()

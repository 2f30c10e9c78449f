"""What reading a user once saves when many ads are ranked: `python -m benchmarks.shared_tokens BASE [--budget MINUTES]`.

BASE is a folder with a decoder, such as SmolLM2-135M. Each round ranks the ads for a new user three ways, one after the
other: `apart` is the plain forward, in which every row reads the user; `once` reads the user once, for the first time;
`again` ranks other ads for the user of `once`. CPU seconds of the whole process, so that other work on the machine counts
for little; a second run goes on with more rounds.
"""

import argparse
import gc
import json
from pathlib import Path
from time import monotonic, process_time
from typing import Any

import torch
import transformers as tf

from adapters import Adapter, Base, Head, Lora, Prefix, load_base
from adapters.kernels.plan import Segment
from adapters.slots import RowSlots, Slots, forward, pad
from adapters.slots.reading import of_like_length, read
from adapters.slots.stems import Stems
from benchmarks.measure import keep_freed_memory, machine, medians, now, ratio, versions

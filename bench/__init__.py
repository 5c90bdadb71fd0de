"""Paired benchmarks against TRL: `python -m bench [CASES] [--rounds N] [--out FILE]`."""

import os

# before the first import of what reads them: nothing is sent or fetched, no bars, no second thread
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    TRL_EXPERIMENTAL_SILENCE="1",
    TQDM_DISABLE="1",
    TOKENIZERS_PARALLELISM="false",
    OMP_NUM_THREADS="1",
    CUDA_VISIBLE_DEVICES="",
)

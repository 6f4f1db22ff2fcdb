# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""step-inputs.py FOLDER: the inputs of one step of three tokens, 1, 2 and 3, with the logits of the first and the last."""
import sys

import numpy as np

inputs = {"tokens": [1, 2, 3], "positions": [0, 1, 2], "query_starts": [0, 3], "block_table": [[5] + 15 * [0]],
          "write_slots": [40, 41, 42], "logit_rows": [0, 2]}
for name, values in inputs.items():
    np.save(f"{sys.argv[1]}/{name}.npy", np.array(values, dtype=np.int32))

# SPDX-License-Identifier: Apache-2.0
"""cloudpickle under Ray's name."""

from cloudpickle import *  # noqa: F403
from cloudpickle import CloudPickler, dump, dumps, load, loads, register_pickle_by_value  # noqa: F401

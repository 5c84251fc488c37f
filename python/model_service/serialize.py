# SPDX-License-Identifier: Apache-2.0
"""Values as bytes, between Python processes of ours.

Plain pickle where every class can be imported by the receiver, cloudpickle where one lives in ``__main__``, in a
function, or is a lambda. Only replicas and drivers load what these functions make.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any

loads = pickle.loads

_BY_REFERENCE_TO_MAIN = (b"__main__", b"__mp_main__")


def dumps(value: Any) -> bytes:
    """Pickle a value by the cheapest way that the receiver can undo.

    Raises what pickling raises: TypeError or pickle.PicklingError, RayServeException for a DeploymentResponse.
    """
    try:
        data = pickle.dumps(value, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError):
        return dumps_by_value(value)
    if (
        _BY_REFERENCE_TO_MAIN[0] in data
        or _BY_REFERENCE_TO_MAIN[1] in data
        or _has_by_value_modules()
    ):
        return dumps_by_value(value)
    return data


def dumps_by_value(value: Any) -> bytes:
    """Pickle with cloudpickle."""
    import cloudpickle

    return cloudpickle.dumps(value, protocol=5)


def _has_by_value_modules() -> bool:
    """Whether the user asked cloudpickle to ship whole modules by value."""
    module = sys.modules.get("cloudpickle.cloudpickle")
    return module is not None and bool(module._PICKLE_BY_VALUE_MODULES)

"""Values in the order of their source, and in the one that they have on the device."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ttgen.plan.model import Tensor

Array = npt.NDArray[np.generic]


def on_device(tensor: Tensor, values: Array) -> Array:
    """``values`` in the source's shape, as the device has them: in ``device_shape``."""
    ordered = np.ascontiguousarray(np.transpose(values, tensor.order))
    return ordered.reshape(tensor.device_shape)


def in_source(tensor: Tensor, values: Array) -> Array:
    """``values`` as the device has them, in the source's shape."""
    extents = [tensor.shape[position] for position in tensor.order]
    return values.reshape(extents).transpose(np.argsort(tensor.order))

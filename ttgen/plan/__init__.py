"""The plan: the one document between the passes and everything after them."""

from ttgen.plan.io import decode, encode, load, save, schema
from ttgen.plan.model import Plan

__all__ = ["Plan", "decode", "encode", "load", "save", "schema"]

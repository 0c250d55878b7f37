"""Child processes that answer requests: one JSON object per line, each way, over pipes.

A child is worth its start-up cost when it keeps something slow or fragile: an interpreter that has
imported TVM, an open device, a simulator. What such a child does wrong must not reach the parent:
prints cannot corrupt the protocol, a death or a hang becomes an error, and nothing is left running.

How nothing is left behind. The child forks at once: the first process stays as a *guardian* that
does nothing but watch, and its child, the *worker*, runs the handlers. The guardian is a
subreaper (Linux ``prctl``), so every process that the worker starts, detached or not, becomes the
guardian's child when its own parent ends; it kills and reaps until it has no child. It acts when
the worker ends, when the parent's end of the request pipe closes (which the kernel does for a
parent that was killed), and on SIGTERM. Should the guardian itself be killed, the worker dies with
it (``PR_SET_PDEATHSIG``), and the parent finds the rest by a mark in their environment.
"""

from ttgen.service.child import serve, watch
from ttgen.service.parent import MARK, Pool, Service, describe_status, meaningful_lines

__all__ = ["MARK", "Pool", "Service", "describe_status", "meaningful_lines", "serve", "watch"]

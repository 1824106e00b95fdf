"""The most that options of numbers take, so that none is infinite or beyond what libraries have room for."""

from __future__ import annotations

THREADS_AT_MOST = 1024
SEED_AT_MOST = 2**63 - 1
COUNT_AT_MOST = 10**9
SECONDS_AT_MOST = 10**9  # 31 years
MEASURED_S_AT_MOST = 24 * 3600
MIB_AT_MOST = 2**24  # 16 TiB

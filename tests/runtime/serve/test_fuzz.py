"""Every operation of the OpenAPI document, with whatever schemathesis comes up with: no 500, no surprises."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from serve_server import Server

ENDLESS = ("/api/events", "/stream.mjpeg")
EXAMPLES = 25
SEED = os.environ.get("UNIT_EDGE_FUZZ_SEED")  # a number, for other requests than those of every run
LEAVES_A_MARK = {"/api/pause": False, "/api/steady": False, "/api/record": False}


@pytest.mark.slow
def test_no_request_brings_anything_but_what_is_documented(server: Server) -> None:
    # they take seconds to import, in each process that only collects
    schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis, of the dev extra")
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    document = json.loads(server.ask("/api/openapi.json")[2])
    for path in ENDLESS:
        del document["paths"][path]
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=server.url)
    before = server.state()
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == sum(len(path) for path in document["paths"].values())
    for operation in operations:
        strategies = [operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=SEED is None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @seed(int(SEED or 0))
        @given(case=strategies[0] | strategies[1])
        def try_it(case: Any) -> None:
            response = case.call(timeout=60)
            if case.path == "/healthz" and response.status_code == 503:
                return
            case.validate_response(response, checks=checks)

        try_it()
        if operation.path in LEAVES_A_MARK:
            server.post(operation.path, {"on": LEAVES_A_MARK[operation.path]})
        for job in server.state()["uploads"]["jobs"]:
            server.ask(f"/api/uploads/{job['id']}", method="DELETE")
    server.post("/api/model", {"model": "invert"})
    after = server.until(lambda s: s["fault"] is None and s["frames"] > before["frames"])
    assert after["figures"]["memory_mib"] < before["figures"]["memory_mib"] + 250
    assert server.said().count("Traceback") == 0

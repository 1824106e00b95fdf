"""What deploy/ has is what Kubernetes, KubeRay and Ray's launcher take, and runs commands that there are."""

from __future__ import annotations

import json
import os
import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main

from unit_edge.cli.app import app

yaml = pytest.importorskip("yaml")
DEPLOY = Path(__file__).parents[1] / "deploy"

# the fields of KubeRay's types of ray.io/v1 that this file may use, and what they hold, by their Go sources
JOB: dict[str, type] = {
    **dict.fromkeys(("activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"), int),
    **dict.fromkeys(("shutdownAfterJobFinishes", "suspend"), bool),
    **dict.fromkeys(("rayClusterSpec", "submitterPodTemplate", "metadata", "clusterSelector"), dict),
    **dict.fromkeys(("submitterConfig", "deletionStrategy"), dict),
    **dict.fromkeys(("managedBy", "entrypoint", "runtimeEnvYAML", "jobId", "submissionMode"), str),
    **dict.fromkeys(("entrypointNumCpus", "entrypointNumGpus"), float),
    "entrypointResources": str,
}
CLUSTER: dict[str, type] = {
    **dict.fromkeys(("headGroupSpec", "autoscalerOptions", "headServiceAnnotations"), dict),
    **dict.fromkeys(("enableInTreeAutoscaling", "suspend"), bool),
    "workerGroupSpecs": list,
    "rayVersion": str,
}
SCALING: dict[str, type] = {
    **dict.fromkeys(("resources", "securityContext"), dict),
    **dict.fromkeys(("image", "imagePullPolicy", "upscalingMode"), str),
    **dict.fromkeys(("env", "envFrom", "volumeMounts"), list),
    "idleTimeoutSeconds": int,
}
HEAD: dict[str, type] = {
    **dict.fromkeys(("rayStartParams", "template", "headService"), dict),
    "serviceType": str,
    "enableIngress": bool,
}
WORKERS: dict[str, type] = {
    **dict.fromkeys(("replicas", "minReplicas", "maxReplicas", "numOfHosts"), int),
    **dict.fromkeys(("rayStartParams", "template", "scaleStrategy"), dict),
    "groupName": str,
}


@pytest.fixture
def job() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "rayjob.yaml").read_text())
    return found


def parsed(command: str) -> dict[str, Any]:
    """What the command line makes of a `unit-edge fleet` command; nothing is run."""
    program, name, *arguments = shlex.split(command)
    assert (program, name) == ("unit-edge", "fleet")
    group: Any = typer.main.get_command(app)
    given: dict[str, Any] = group.commands["fleet"].make_context("fleet", arguments).params
    return given


def fits(given: dict[str, Any], fields: dict[str, type], *required: str) -> bool:
    return set(required) <= set(given) <= set(fields) and all(
        type(value) is fields[name] for name, value in given.items()
    )


def test_the_job_has_kuberays_fields_and_no_others(job: dict[str, Any]) -> None:
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    cluster = spec["rayClusterSpec"]
    assert fits(spec, JOB, "rayClusterSpec", "entrypoint")
    assert fits(cluster, CLUSTER, "headGroupSpec") and fits(cluster["autoscalerOptions"], SCALING)
    needed = ("rayStartParams", "template")
    assert fits(cluster["headGroupSpec"], HEAD, *needed)
    for group in cluster["workerGroupSpecs"]:
        assert fits(group, WORKERS, *needed, "groupName", "minReplicas", "maxReplicas")
        assert 0 <= group["minReplicas"] <= group["maxReplicas"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        parameters = group["rayStartParams"]
        assert all(isinstance(value, str) for value in parameters.values())  # numbers are refused


def test_its_pods_are_what_kubernetes_takes(job: dict[str, Any]) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    cluster = job["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **group["template"]}
        validate.validate(pod, "1.33", strict=True)
        pod["spec"]["containers"][0]["imagePolicy"] = "Always"  # that there is no such field is noticed
        with pytest.raises(validate.ValidationError):
            validate.validate(pod, "1.33", strict=True)


def test_it_fits_kuberays_own_schema(job: dict[str, Any]) -> None:
    """The file is of KubeRay's sources: ray-operator/config/crd/bases/ray.io_rayjobs.yaml."""
    jsonschema = pytest.importorskip("jsonschema")
    path = os.environ.get("UNIT_EDGE_KUBERAY_CRD")
    if path is None:
        pytest.skip("set UNIT_EDGE_KUBERAY_CRD to KubeRay's ray.io_rayjobs.yaml")
    versions = {one["name"]: one for one in yaml.safe_load(Path(path).read_text())["spec"]["versions"]}
    schema = strict(versions["v1"]["schema"]["openAPIV3Schema"])
    jsonschema.validate(job, schema)
    job["spec"]["backoffLimits"] = 2
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(job, schema)


def strict(schema: Any) -> Any:
    """A schema of Kubernetes' that takes no fields but those it names."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    if isinstance(found.get("properties"), dict) and not found.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found


def test_its_command_is_one_and_asks_for_as_many_workers_as_fit(job: dict[str, Any]) -> None:
    spec = job["spec"]
    given = parsed(spec["entrypoint"])
    [group] = spec["rayClusterSpec"]["workerGroupSpecs"]
    cores = int(group["rayStartParams"]["num-cpus"])
    assert given["resume"] and given["address"] == "auto" and given["to"] == "night"
    assert given["workers"] == group["maxReplicas"] * cores
    container = group["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["cpu"] == str(cores)
    assert given["scratch"] == Path(container["volumeMounts"][0]["mountPath"])
    limit = group["template"]["spec"]["volumes"][0]["emptyDir"]["sizeLimit"]
    assert limit == f"{given['scratch_gib'] * cores:g}Gi"


def test_the_launchers_file_fits_rays_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    found = find_spec("ray")
    if found is None or found.origin is None:
        pytest.skip("needs the fleet extra")
    schema = json.loads((Path(found.origin).parent / "autoscaler" / "ray-schema.json").read_text())
    text = (DEPLOY / "cluster.yaml").read_text()
    config = yaml.safe_load(text)
    jsonschema.validate(config, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**config, "max_worker": 3}, schema)
    types = config["available_node_types"]
    assert config["head_node_type"] in types
    command = re.search(r'"docker exec fleet (unit-edge .*?)"', re.sub(r"\\\n#\s*", "", text), re.DOTALL)
    assert command is not None
    worker = types["worker"]
    assert parsed(command[1])["workers"] == worker["max_workers"] * worker["resources"]["CPU"]

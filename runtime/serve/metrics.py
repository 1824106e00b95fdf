"""The figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from unit_edge.runtime.serve.site import Site

CONTENT_TYPE = CONTENT_TYPE_LATEST


class _Collector(Collector):
    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> Iterator[Metric]:
        site, translation = self._site, self._site.translation
        totals, figures = translation.totals, site.meter.figures
        counters = {
            "frames": ("Frames that went through the model.", totals.frames),
            "captured_frames": ("Frames that the source gave.", totals.captured),
            "dropped_frames": ("Frames that gave way to newer ones.", totals.dropped),
            "source_reconnects": ("How often the source came back after a loss.", totals.reconnects),
            "compute_seconds": ("Time in the model.", totals.infer_s),
        }
        for name, (text, value) in counters.items():
            counter = CounterMetricFamily(f"unit_edge_{name}", text)
            counter.add_metric([], value)
            yield counter
        gauges = {
            "fps": ("Translated frames a second.", figures.fps),
            "frame_age_seconds": ("Mean age of translated frames.", _seconds(figures.age_ms)),
            "frame_age_p95_seconds": ("What 95 % of the ages don't exceed.", _seconds(figures.age_p95_ms)),
            "decode_seconds": ("Of a frame.", _seconds(figures.decode_ms)),
            "infer_seconds": ("Of a frame.", _seconds(figures.compute_ms)),
            "encode_seconds": ("Of a frame, for viewers.", _seconds(figures.encode_ms)),
            "cpu_ratio": ("Share of all cores at work.", figures.cpu),
            "resident_bytes": ("Memory of the server.", _bytes(figures.memory_mib)),
            "temperature_celsius": ("Of the hottest sensor.", figures.temperature_c),
            "power_watts": ("Of the board or the GPU.", figures.watts),
            "gpu_ratio": ("Share of the time in which the GPU is at work.", figures.gpu),
            "source_up": (
                "1 while frames are translated.",
                float(not translation.lost and not translation.fault),
            ),
            "paused": ("1 while it is paused.", float(translation.controls.paused)),
            "recording": ("1 while it records.", float(translation.recorder.on)),
            "recording_bytes": ("Of the recording.", float(translation.recorder.size_bytes)),
            "uptime_seconds": ("Since the start.", site.state()["uptime_s"]),
        }
        for name, (text, value) in gauges.items():
            if value is not None:
                gauge = GaugeMetricFamily(f"unit_edge_{name}", text)
                gauge.add_metric([], value)
                yield gauge
        viewers = GaugeMetricFamily("unit_edge_viewers", "By transport.", labels=["transport"])
        viewers.add_metric(["webrtc"], site.webrtc.count)
        viewers.add_metric(["mjpeg"], site.mjpeg_viewers)
        yield viewers
        encoded = CounterMetricFamily(
            "unit_edge_encoded_frames", "Encoded once for all viewers.", labels=["transport", "quality"]
        )
        for transport, encoders in (("webrtc", site.h264), ("mjpeg", site.jpeg)):
            for quality, encoder in encoders.items():
                encoded.add_metric([transport, quality], encoder.frames)
        yield encoded
        model = GaugeMetricFamily("unit_edge_model", "1 for the one in use.", labels=["name"])
        model.add_metric([translation.models.name], 1)
        yield model


def metrics_of(site: Site) -> bytes:
    """The page for Prometheus's scraper."""
    registry = CollectorRegistry()
    registry.register(_Collector(site))
    return generate_latest(registry)


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


def _bytes(mib: float | None) -> float | None:
    return None if mib is None else mib * 2**20

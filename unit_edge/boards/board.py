"""What is known of the boards that a model may run on; the table itself is in table.py.

Peaks are dense. Vendors print TOPS with half of the weights zero ("sparse") and add the DLA's to the
GPU's; neither is what a convolution on the GPU gets.
"""

from __future__ import annotations

from dataclasses import dataclass

PRECISIONS = ("fp32", "fp16", "int8")


@dataclass(frozen=True)
class Software:
    """A JetPack release that a board takes, and the TensorRT that belongs to it."""

    jetpack: str
    tensorrt: str


@dataclass(frozen=True)
class Board:
    """One board or processor in one configuration, at its highest power mode.

    None is a figure that nobody has checked, or that does not exist; `notes` says which.

    Attributes:
        name: that the command line takes.
        title: for people.
        kind: "gpu" or "cpu", what the model runs on.
        compute_capability: CUDA's; None without a CUDA GPU.
        memory_gb: in GB as the vendor counts; shared by GPU and CPU on a Jetson.
        bandwidth_gb_s: of that memory, in 10⁹ bytes a second.
        fp32_tflops: dense peak in 10¹² operations a second, a multiply and an add being two; without TF32.
        fp16_tflops: the same for fp16 with fp32 accumulation.
        int8_tops: the same for int8.
        software: JetPack and TensorRT, oldest first; empty for what isn't a Jetson.
        dla: number of deep learning accelerators; their operations are not in the peaks.
        power_modes: as nvpmodel names them, or their range.
        sources: where the figures are from, by attribute; "peaks" is for all three.
        notes: what to know, and what is missing.
    """

    name: str
    title: str
    kind: str
    compute_capability: str | None
    memory_gb: float | None
    bandwidth_gb_s: float | None
    fp32_tflops: float | None
    fp16_tflops: float | None
    int8_tops: float | None
    software: tuple[Software, ...]
    dla: int
    power_modes: tuple[str, ...]
    sources: dict[str, str]
    notes: tuple[str, ...] = ()

    def peak(self, precision: str) -> float | None:
        """Dense peak of "fp32", "fp16" or "int8" in 10¹² operations a second; None if it isn't known."""
        return {"fp32": self.fp32_tflops, "fp16": self.fp16_tflops, "int8": self.int8_tops}[precision]

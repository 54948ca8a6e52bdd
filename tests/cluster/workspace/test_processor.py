"""The processor is named as people know it, on machines that tell and on those that do not."""

import os

import pytest

from cluster.workspace import processor as module
from cluster.workspace.processor import processor
from cluster.workspace.run_folder import environment

X86 = (
    "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Intel(R)  Xeon(R) CPU @ 2.00GHz\n\nmodel name\t: another\n"
)
ARM = "processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\n"


@pytest.mark.parametrize(("text", "name"), [(X86, "Intel(R) Xeon(R) CPU @ 2.00GHz"), (ARM, "aarch64")])
def test_by_the_kernels_words_else_by_its_architecture(text, name, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(module, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(module.platform, "system", lambda: "Linux")
    monkeypatch.setattr(module.platform, "processor", lambda: "")
    monkeypatch.setattr(module.platform, "machine", lambda: "aarch64")
    assert processor() == name


def test_it_stands_with_the_machine():
    assert environment()["machine"].endswith(f"{os.cpu_count()} CPUs ({processor()})")

"""The benchmarks run; what they measure is for people to read."""

import subprocess
import sys


def test_the_engine_benchmark_prints_its_figures(root):
    command = [
        sys.executable,
        "benchmarks/engine.py",
        "--edge",
        "256",
        "--blocks",
        "1",
        "--repeats",
        "1",
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    for line in ("engine overhead", "first tile", "peak extra memory", "computed / ROI pixels"):
        assert line in done.stdout


def test_the_simulator_benchmark_prints_its_figures(root):
    command = [sys.executable, "benchmarks/simulator.py", "--count", "14"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    for line in ("clean fields", "imaged for denoise", "nuclei, one process"):
        assert line in done.stdout


def test_the_benchmark_of_trust_maps_prints_its_figures(root):
    command = [sys.executable, "benchmarks/trust.py", "--edge", "96", "--repeats", "1"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert "variability: " in done.stdout
    assert "one run: 1.00 runs" in done.stdout


def test_the_benchmark_of_coupled_networks_prints_its_figures(root):
    command = [sys.executable, "benchmarks/global_networks.py", "--networks", "group_norm"]
    command += ["--edge", "96", "--small", "70", "--repeats", "1"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert "group_norm" in done.stdout
    assert "equal" in done.stdout


def test_the_benchmark_of_large_images_prints_its_figures(root):
    command = [sys.executable, "benchmarks/scale.py", "--edge", "300", "--repeats", "1"]
    command += ["--kills", "1", "--killed-edge", "600", "--within", "0.3", "--tile", "128"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    for line in ("wall time", "peak memory", "kills: 1 of 1 end with equal bytes"):
        assert line in done.stdout


def test_the_benchmark_of_slides_prints_its_figures(root):
    command = [sys.executable, "benchmarks/slides.py", "--small", "slide", "pyramid"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    for line in ("px ROI in a 4000 px zarr", "px ROI in a 2048 px TIFF", "OME-TIFF of 1600 px"):
        assert line in done.stdout

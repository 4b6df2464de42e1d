#!/usr/bin/env python3
"""What infra/bin/package packs and what it refuses, with small C programs in the place of the functions. Needs cc, readelf and strip."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "bin/package"
HERE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
THERE = {"x86_64": "arm64", "arm64": "x86_64"}[HERE]


class Package(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def build(self, function: str, *options: str, source: str = "int main(void) { return 0; }") -> None:
        command = ["cc", "-x", "c", "-", "-o", str(self.folder / function), *options]
        subprocess.run(command, input=source, text=True, check=True)

    def library(self, name: str, version: str) -> list[str]:
        """A library of which a program needs this version, and how to link it."""
        script = self.folder / "versions"
        script.write_text(f"{version} {{ global: odd; local: *; }};")
        path = str(self.folder / name)
        options = ["-shared", "-fPIC", f"-Wl,-soname,{name}", f"-Wl,--version-script={script}"]
        subprocess.run(["cc", "-x", "c", "-", "-o", path, *options], input="int odd(void) { return 0; }", text=True, check=True)
        return ["-Wl,--no-as-needed", "-x", "none", path]

    def pack(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [str(PACKAGE), str(self.folder), "--architecture", HERE, "--to", str(self.folder / "dist"), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def assert_refused(self, reason: str, *options: str) -> None:
        packed = self.pack(*options)
        self.assertNotEqual(packed.returncode, 0)
        self.assertIn(reason, packed.stderr)
        self.assertFalse((self.folder / "dist" / "consumer.zip").exists())

    def test_a_package_is_one_executable_bootstrap_and_the_same_bytes_each_time(self) -> None:
        self.build("api")
        self.build("consumer")
        packed = self.pack()
        self.assertEqual((packed.returncode, packed.stderr), (0, ""))
        first = (self.folder / "dist" / "api.zip").read_bytes()
        with zipfile.ZipFile(self.folder / "dist" / "api.zip") as archive:
            [entry] = archive.infolist()
            self.assertEqual((entry.filename, entry.external_attr >> 16), ("bootstrap", 0o100755))
            self.assertEqual(archive.read(entry), (self.folder / "api").read_bytes())
        (self.folder / "api").touch()
        self.assertEqual(self.pack().returncode, 0)
        self.assertEqual((self.folder / "dist" / "api.zip").read_bytes(), first)

    def test_a_debug_build_is_packed_without_what_only_a_debugger_reads(self) -> None:
        for function in ("api", "consumer"):
            self.build(function, "-g")
        self.assertEqual(self.pack("--strip").returncode, 0)
        with zipfile.ZipFile(self.folder / "dist" / "api.zip") as archive:
            self.assertNotIn(b".debug_info", archive.read("bootstrap"))
        self.assertIn(b".debug_info", (self.folder / "api").read_bytes())

    def test_a_function_that_was_not_built_is_named(self) -> None:
        self.build("api")
        self.assert_refused("consumer is missing")

    def test_a_program_of_another_machine_is_refused(self) -> None:
        self.build("api")
        self.assert_refused(f"and not for {THERE}", "--architecture", THERE)

    def test_what_is_no_program_is_refused(self) -> None:
        (self.folder / "api").write_text("#!/bin/sh\n")
        self.assert_refused("is no program of Linux")

    def test_a_library_that_amazon_linux_does_not_have_is_refused(self) -> None:
        self.build("api", *self.library("libodd.so.1", "ODD_1"), source="int odd(void); int main(void) { return odd(); }")
        self.assert_refused("needs libodd.so.1")

    def test_a_glibc_that_is_newer_than_amazon_linuxs_is_refused(self) -> None:
        uses = "int odd(void); int main(void) { return odd(); }"
        for version, reason in (("GLIBC_2.35", "needs glibc 2.35"), ("GLIBC_ABI_DT_RELR", "needs GLIBC_ABI_DT_RELR")):
            with self.subTest(version):
                self.build("api", *self.library("libm.so.7", version), source=uses)
                self.assert_refused(reason)

    def test_a_program_that_starts_by_a_loader_of_its_systems_own_is_refused(self) -> None:
        self.build("api", "-Wl,--dynamic-linker=/nix/ld.so")
        self.assert_refused("is started by /nix/ld.so")

    def test_a_tool_that_is_missing_is_named(self) -> None:
        for function in ("api", "consumer"):
            self.build(function)
        (self.folder / "tools").mkdir()
        for tool in ("readelf", "strip"):
            with self.subTest(tool):
                command = [sys.executable, str(PACKAGE), str(self.folder), "--architecture", HERE, "--strip"]
                command += ["--to", str(self.folder / "dist")]
                tools = {**os.environ, "PATH": str(self.folder / "tools")}
                packed = subprocess.run(command, capture_output=True, text=True, check=False, env=tools)
                self.assertEqual(packed.stderr, f"infra/bin/package: {tool} is missing: it is part of binutils\n")
                (self.folder / "tools" / tool).symlink_to(shutil.which(tool))

    def test_glibc_as_old_as_amazon_linuxs_is_taken(self) -> None:
        uses = "int odd(void); int main(void) { return odd(); }"
        for function in ("api", "consumer"):
            self.build(function, *self.library("libm.so.7", "GLIBC_2.34"), source=uses)
        packed = self.pack()
        self.assertEqual((packed.returncode, packed.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()

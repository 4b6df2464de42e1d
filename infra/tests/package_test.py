#!/usr/bin/env python3
"""Tests how infra/bin/package has the functions built, and which binaries it packs or refuses. A
program in the place of cargo puts small C programs in the place of the functions. The tests need
cc, readelf and strip."""

import json
import os
import platform
import shutil
import subprocess
import tempfile
import unittest
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "bin/package"
REPOSITORY = PACKAGE.parents[2]
HERE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
THERE = {"x86_64": "arm64", "arm64": "x86_64"}[HERE]
TRIPLES = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}

FUNCTIONS = ("api", "consumer", "notifier", "shipping")
PROGRAM = "int main(void) { return 0; }"
# A program that needs a library of `library`.
USES = "int odd(void); int main(void) { return odd(); }"

# A program that notes how it was called, and copies the binaries of the test to where cargo puts
# binaries.
CARGO = r"""#!/usr/bin/env python3
import json, os, pathlib, shutil, sys
here = pathlib.Path(__file__).parent
arguments = sys.argv[1:]
flags = os.environ.get("CARGO_ENCODED_RUSTFLAGS")
call = {"arguments": arguments, "flags": flags, "in": os.getcwd()}
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(call) + "\n")
value = lambda name: arguments[arguments.index(name) + 1] if name in arguments else ""
folder = pathlib.Path(value("--target-dir")) / value("--target")
folder /= {"dev": "debug"}.get(value("--profile"), value("--profile"))
folder.mkdir(parents=True, exist_ok=True)
for function in ("api", "consumer", "notifier", "shipping"):
    changed = here / f"{function}-again"
    built = changed if changed.exists() and "again" in value("--target-dir") else here / function
    if built.exists():
        shutil.copy(built, folder / function)
sys.exit(int(os.environ.get("CARGO_FAILS", "0")))
"""


class Package(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.target = self.folder / "target"
        self.dist = self.target / "dist-dev"
        self.program("cargo", CARGO)
        self.program("rustc", f'#!/bin/sh\necho "rustc 1.0.0"; echo "host: {TRIPLES[HERE]}"\n')

    def program(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def build(self, function: str, *options: str, source: str = PROGRAM) -> None:
        command = ["cc", "-x", "c", "-", "-o", str(self.folder / function), *options]
        subprocess.run(command, input=source, text=True, check=True)

    def build_all(self, *options: str, source: str = PROGRAM) -> None:
        for function in FUNCTIONS:
            self.build(function, *options, source=source)

    def library(self, name: str, version: str) -> list[str]:
        """Builds a library. A program that is linked with the library needs this version of it.
        Returns the options that link the library."""
        script = self.folder / "versions"
        script.write_text(f"{version} {{ global: odd; local: *; }};")
        path = str(self.folder / name)
        command = ["cc", "-x", "c", "-", "-o", path, "-shared", "-fPIC", f"-Wl,-soname,{name}"]
        command.append(f"-Wl,--version-script={script}")
        subprocess.run(command, input="int odd(void) { return 0; }", text=True, check=True)
        return ["-Wl,--no-as-needed", "-x", "none", path]

    def pack(self, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Packs with the profile `dev`, unless the options name another profile."""
        here = {"CARGO": str(self.folder / "cargo"), "RUSTC": str(self.folder / "rustc")}
        here |= {"CARGO_TARGET_DIR": str(self.target), **variables}
        command = [str(PACKAGE), "--profile", "dev", "--architecture", HERE, *options]
        environment = {**os.environ, **here}
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    def pack_release(self, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Packs a release, but not into the repository's own dist/."""
        to = ("--profile", "release", "--to", str(self.folder / "dist"))
        return self.pack(*to, *options, **variables)

    def calls(self) -> list[dict]:
        """The calls of cargo."""
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    def bootstrap(self, package: Path) -> bytes:
        with zipfile.ZipFile(package) as archive:
            return archive.read("bootstrap")

    def assert_packed(self, packed: subprocess.CompletedProcess[str]) -> None:
        self.assertEqual((packed.returncode, packed.stderr), (0, ""))

    def assert_refused(self, reason: str, *options: str) -> None:
        packed = self.pack(*options)
        self.assertNotEqual(packed.returncode, 0)
        self.assertIn(reason, packed.stderr)
        self.assertFalse((self.dist / "consumer.zip").exists())

    # The build.

    def test_a_release_is_built_of_the_functions_alone_and_packed_as_it_is(self) -> None:
        self.build_all("-g")
        self.assert_packed(self.pack_release())
        [call] = self.calls()
        expected = ["build", "--locked", "--profile", "release", "-p", "api", "-p", "consumer"]
        expected += ["-p", "notifier", "-p", "shipping"]
        expected += ["--bins", "--target-dir", str(self.target)]
        self.assertEqual((call["arguments"], call["in"]), (expected, str(REPOSITORY)))
        for function in FUNCTIONS:
            packed = self.bootstrap(self.folder / f"dist/{function}.zip")
            self.assertEqual(packed, (self.folder / function).read_bytes(), function)

    def test_every_function_has_its_package_and_nothing_else_has_one(self) -> None:
        self.build_all()
        self.assert_packed(self.pack())
        packages = sorted(package.name for package in self.dist.iterdir())
        self.assertEqual(packages, [f"{function}.zip" for function in FUNCTIONS])

    def test_another_profile_is_built_of_the_crates_that_the_tests_are_built_of(self) -> None:
        self.build_all()
        self.assert_packed(self.pack())
        self.assert_packed(self.pack("--profile", "measured"))
        for call, profile in zip(self.calls(), ("dev", "measured"), strict=True):
            expected = ["build", "--locked", "--profile", profile, "--workspace", "--bins"]
            expected += ["--examples", "--target-dir", str(self.target)]
            self.assertEqual((call["arguments"], call["flags"]), (expected, None))

    def test_a_release_does_not_show_where_it_was_built(self) -> None:
        self.build_all()
        self.assert_packed(self.pack_release(CARGO_HOME="/home/of cargo"))
        [call] = self.calls()
        expected = [f"{REPOSITORY}=/orders", "/home/of cargo=/cargo"]
        expected += [f"{self.target}=/target", f"{self.target}/again=/target"]
        flags = [f"--remap-path-prefix={prefix}" for prefix in expected]
        self.assertEqual(call["flags"].split("\x1f"), flags)

    def test_a_triple_is_named_for_another_machine_alone(self) -> None:
        self.build_all()
        for host, triple in ((HERE, []), (THERE, ["--target", TRIPLES[HERE]])):
            with self.subTest(host):
                self.program("rustc", f'#!/bin/sh\necho "host: {TRIPLES[host]}"\n')
                self.assert_packed(self.pack())
                arguments = self.calls()[-1]["arguments"]
                self.assertEqual(arguments[arguments.index("--target-dir") + 2 :], triple)

    def test_a_build_that_fails_packs_nothing(self) -> None:
        self.build_all()
        self.assertEqual(self.pack(CARGO_FAILS="101").returncode, 101)
        self.assertFalse(self.dist.exists())

    def test_cargo_may_be_a_command_of_several_words(self) -> None:
        self.build_all()
        self.assert_packed(self.pack(CARGO=f"{self.folder}/cargo +stable"))
        self.assertEqual(self.calls()[0]["arguments"][:2], ["+stable", "build"])

    def test_each_profile_has_a_folder_for_its_packages(self) -> None:
        for profile, folder in (
            ("release", REPOSITORY / "dist"),
            ("dev", self.target / "dist-dev"),
            ("measured", self.target / "dist-measured"),
        ):
            with self.subTest(profile):
                printed = self.pack("--profile", profile, "--print-folder")
                self.assertEqual(printed.stdout, f"{folder}\n")
        self.assertFalse((self.folder / "calls").exists(), "nothing is built")

    def test_packages_that_are_the_same_when_they_are_built_again_are_reproducible(self) -> None:
        self.build_all()
        packed = self.pack_release("--reproducible")
        self.assert_packed(packed)
        self.assertIn("the packages are the same", packed.stdout)
        first, second = (call["arguments"] for call in self.calls())
        again = [
            f"{self.target}/again" if argument == str(self.target) else argument
            for argument in first
        ]
        self.assertEqual(second, again)
        self.assertFalse((self.target / "again").exists())

    def test_a_package_that_is_another_one_when_it_is_built_again_is_named_and_kept(self) -> None:
        self.build_all()
        self.build("consumer-again", source="int main(void) { return 1; }")
        packed = self.pack_release("--reproducible")
        self.assertEqual(packed.returncode, 1)
        self.assertIn("built again, consumer.zip is not the same", packed.stderr)
        self.assertTrue((self.target / "again/dist/consumer.zip").exists())

    # The packages.

    def test_a_package_is_one_executable_bootstrap_and_the_same_bytes_each_time(self) -> None:
        self.build_all()
        self.assert_packed(self.pack_release())
        package = self.folder / "dist/api.zip"
        first = package.read_bytes()
        with zipfile.ZipFile(package) as archive:
            [entry] = archive.infolist()
        self.assertEqual((entry.filename, entry.external_attr >> 16), ("bootstrap", 0o100755))
        self.assertEqual(self.bootstrap(package), (self.folder / "api").read_bytes())
        (self.folder / "api").touch()
        self.assert_packed(self.pack_release())
        self.assertEqual(package.read_bytes(), first)

    def test_a_debug_build_is_packed_without_what_only_a_debugger_reads(self) -> None:
        self.build_all("-g")
        self.assert_packed(self.pack())
        self.assertNotIn(b".debug_info", self.bootstrap(self.dist / "api.zip"))
        self.assertIn(b".debug_info", (self.target / "debug/api").read_bytes())

    def test_glibc_as_old_as_amazon_linuxs_is_taken(self) -> None:
        self.build_all(*self.library("libm.so.7", "GLIBC_2.34"), source=USES)
        self.assert_packed(self.pack())

    # The refusals.

    def test_a_function_that_was_not_built_is_named(self) -> None:
        self.build("api")
        self.assert_refused("consumer is missing")

    def test_a_program_of_another_machine_is_refused(self) -> None:
        self.build("api")
        self.assert_refused(f"and not for {THERE}", "--architecture", THERE)

    def test_what_is_no_program_is_refused(self) -> None:
        (self.folder / "api").write_text("#!/bin/sh\n")
        self.assert_refused("is not a program of Linux")

    def test_a_library_that_amazon_linux_does_not_have_is_refused(self) -> None:
        self.build("api", *self.library("libodd.so.1", "ODD_1"), source=USES)
        self.assert_refused("needs libodd.so.1")

    def test_a_glibc_that_is_newer_than_amazon_linuxs_is_refused(self) -> None:
        for version, reason in (
            ("GLIBC_2.35", "needs glibc 2.35"),
            ("GLIBC_ABI_DT_RELR", "needs GLIBC_ABI_DT_RELR"),
        ):
            with self.subTest(version):
                self.build("api", *self.library("libm.so.7", version), source=USES)
                self.assert_refused(reason)

    def test_a_program_that_starts_by_a_loader_of_its_systems_own_is_refused(self) -> None:
        self.build("api", "-Wl,--dynamic-linker=/nix/ld.so")
        self.assert_refused("is started by /nix/ld.so")

    def test_a_tool_that_is_missing_is_named_before_anything_is_built(self) -> None:
        tools = self.folder / "tools"
        tools.mkdir()
        (tools / "python3").symlink_to(shutil.which("python3"))
        for tool in ("readelf", "strip"):
            with self.subTest(tool):
                packed = self.pack(PATH=str(tools), PYTHONPATH="")
                missing = f"infra/bin/package: {tool} is missing: it is part of binutils\n"
                self.assertEqual(packed.stderr, missing)
                (tools / tool).symlink_to(shutil.which(tool))
        self.assertFalse((self.folder / "calls").exists())


if __name__ == "__main__":
    unittest.main()

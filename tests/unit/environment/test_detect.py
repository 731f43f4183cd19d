"""Trees of files and the language that they are in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockbox.environment import detect

KB = 1024
Tree = dict[str, int | bytes]  # path -> size or content


def plant(root: Path, tree: Tree) -> Path:
    for name, content in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * content if isinstance(content, int) else content)
    return root


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.py", "python"), ("a.pyi", "python"), ("a.pyx", "python"), ("a.ipynb", "python"),
        ("a.js", "javascript"), ("a.mjs", "javascript"), ("a.jsx", "javascript"),
        ("a.vue", "javascript"), ("a.ts", "typescript"), ("a.tsx", "typescript"),
        ("a.mts", "typescript"), ("a.go", "go"), ("a.rs", "rust"), ("A.java", "java"),
        ("a.c", "c"), ("a.h", "c"), ("a.cc", "c++"), ("a.hpp", "c++"), ("a.cu", "c++"),
        ("a.rb", "ruby"), ("Rakefile", "ruby"), ("a.php", "php"), ("a.cs", "c#"), ("a.fs", "f#"),
        ("a.vb", "visual basic"), ("a.kt", "kotlin"), ("a.scala", "scala"), ("a.ex", "elixir"),
        ("a.hs", "haskell"), ("a.lhs", "haskell"), ("a.swift", "swift"), ("a.m", "objective-c"),
        ("a.mm", "objective-c"), ("a.dart", "dart"), ("a.jl", "julia"), ("a.R", "r"),
        ("a.Rmd", "r"), ("a.pl", "perl"), ("a.lua", "lua"), ("a.sh", "shell"), ("a.zig", "zig"),
        ("a.ml", "ocaml"), ("a.erl", "erlang"), ("a.clj", "clojure"), ("a.F90", "fortran"),
        ("a.groovy", "groovy"), ("A.PY", "python"),
    ],
)  # fmt: skip
def test_the_ending_or_name_of_a_file_tells_its_language(
    tmp_path: Path, name: str, language: str
) -> None:
    assert detect(plant(tmp_path, {name: 100})) == language


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"README.md": 9000, "docs/guide.rst": 9000, "LICENSE": 900},
        {"a.png": 900, "b.zip": 900, "c.so": 900, "d.jar": 900, "program": b"\x7fELF\0"},
        {"a.json": 900, "b.yaml": 900, "c.toml": 900, "d.csv": 900, "e.sql": 900, "f.xml": 900},
        {"index.html": 900, "style.css": 900, "style.scss": 900},
        {"Makefile": 900, "Dockerfile": 900, "Jenkinsfile": 900, "a.gradle": 900, "a.edn": 900},
        {"CMakeLists.txt": 900},
        {".gitignore": 9, ".github/tool.py": 900, ".venv/a.py": 900, ".git/hooks/a.py": 900},
    ],
)  # fmt: skip
def test_a_tree_without_code_has_no_language(tmp_path: Path, tree: Tree) -> None:
    assert detect(plant(tmp_path, tree)) is None


@pytest.mark.parametrize(
    ("marker", "language"),
    [
        ("pyproject.toml", "python"), ("setup.cfg", "python"), ("requirements.txt", "python"),
        ("Pipfile", "python"), ("package.json", "javascript"), ("tsconfig.json", "typescript"),
        ("go.mod", "go"), ("Cargo.toml", "rust"), ("pom.xml", "java"), ("build.gradle", "java"),
        ("build.gradle.kts", "java"), ("Gemfile", "ruby"), ("x.gemspec", "ruby"),
        ("composer.json", "php"), ("x.csproj", "c#"), ("x.sln", "c#"), ("mix.exs", "elixir"),
        ("stack.yaml", "haskell"), ("x.cabal", "haskell"), ("Package.swift", "swift"),
        ("x.xcodeproj/project.pbxproj", "swift"), ("pubspec.yaml", "dart"),
        ("Project.toml", "julia"), ("DESCRIPTION", "r"), ("cpanfile", "perl"),
        ("rebar.config", "erlang"), ("deps.edn", "clojure"), ("dune-project", "ocaml"),
        ("build.zig", "zig"),
    ],
)  # fmt: skip
def test_a_project_file_decides_over_the_scripts_and_assets_beside_it(
    tmp_path: Path, marker: str, language: str
) -> None:
    beside: Tree = {"deploy.sh": 2 * KB, "static/a.js": 10 * KB, "README.md": 99 * KB}
    if language in ("javascript", "typescript"):
        del beside["static/a.js"]
    assert detect(plant(tmp_path, {marker: 0, **beside})) == language


CASES: dict[str, tuple[Tree, str]] = {
    "bytes decide, not the number of files": (
        {"a.py": 5 * KB, "a.rb": KB, "b.rb": KB, "c.rb": KB}, "python"),
    "one huge file does not decide": (
        {"data.js": 9_000 * KB, "a.go": 200 * KB, "b.go": 200 * KB}, "go"),
    "a small Flask application with large assets": (
        {"requirements.txt": 9, "app.py": 3 * KB, "static/a.js": 900 * KB,
         "static/b.js": 900 * KB}, "python"),
    "Python with a package.json for its docs": (
        {"pyproject.toml": 9, "package.json": 9, "a.py": 20 * KB, "b.js": 9 * KB}, "python"),
    "JavaScript with a requirements.txt for its docs": (
        {"requirements.txt": 9, "package.json": 9, "conf.py": 2 * KB, "b.js": 9 * KB},
        "javascript"),
    "a project file in the root before one below": (
        {"setup.py": 0, "a.py": 10 * KB, "web/package.json": 9, "web/a.js": 30 * KB}, "python"),
    "but not against far more code": (
        {"setup.py": 0, "a.py": 10 * KB, "web/package.json": 9, "web/a.js": 90 * KB},
        "javascript"),
    "a monorepo: two folders, more code wins": (
        {"back/go.mod": 9, "back/a.go": 30 * KB, "front/package.json": 9, "front/a.js": 20 * KB},
        "go"),
    "Lua with a package.json for its linter": ({"package.json": 9, "a.lua": 30 * KB}, "lua"),
    "shell with a package.json and no JavaScript": (
        {"package.json": 9, "nvm.sh": 150 * KB}, "shell"),
    "Swift with a Gemfile for its build": (
        {"Gemfile": 9, "App.xcodeproj/x": 9, "a.swift": 30 * KB, "Fastfile": 4 * KB}, "swift"),
    "TypeScript by its tsconfig.json": (
        {"package.json": 9, "tsconfig.json": 9, "a.js": 9 * KB, "a.ts": 2 * KB}, "typescript"),
    "TypeScript by its bytes": ({"package.json": 9, "a.js": KB, "a.ts": 2 * KB}, "typescript"),
    "JavaScript with an example in TypeScript": (
        {"package.json": 9, "a.js": 9 * KB, "examples/tsconfig.json": 9, "examples/a.ts": KB},
        "javascript"),
    "Kotlin built by Gradle": (
        {"build.gradle.kts": 9, "src/A.kt": 9 * KB, "src/B.java": KB}, "kotlin"),
    "Java built by Gradle's Kotlin script": (
        {"build.gradle.kts": 9 * KB, "src/B.java": KB}, "java"),
    "Scala built by Maven": ({"pom.xml": 9, "A.scala": 9 * KB, "B.java": KB}, "scala"),
    "F# with a solution": ({"x.sln": 9, "src/x.fsproj": 9, "src/a.fs": 9 * KB}, "f#"),
    "C++ with headers named .h": (
        {"CMakeLists.txt": 9, "a.h": 99 * KB, "a.cpp": 9 * KB, "b.c": 5 * KB}, "c++"),
    "C with headers": ({"Makefile": 9, "a.h": 99 * KB, "a.c": 9 * KB, "b.cpp": 5 * KB}, "c"),
    "Objective-C with headers": ({"a.h": 99 * KB, "a.m": 9 * KB}, "objective-c"),
    "C++ with Python tools around": (
        {"CMakeLists.txt": 9, "requirements.txt": 9, "a.cpp": 90 * KB, "tool.py": 15 * KB}, "c++"),
    "Python with a Makefile and a C extension": (
        {"Makefile": 9, "setup.py": 0, "a.py": 20 * KB, "ext/a.c": 40 * KB}, "python"),
    "a Makefile proves nothing": ({"Makefile": 9, "a.f90": 30 * KB, "a.c": 9 * KB}, "fortran"),
    "a Makefile tips the scales": ({"Makefile": 9, "a.f90": 10 * KB, "a.c": 9 * KB}, "c"),
    "Rust with a C library bundled": (
        {"Cargo.toml": 9, "src/a.rs": 9 * KB, "sys/vendor/a.c": 99 * KB}, "rust"),
    "notebooks are mostly output": (
        {"a.ipynb": 900 * KB, "a.jl": 90 * KB, "b.ipynb": 900 * KB}, "julia"),
    "tests count less": (
        {"parse.c": 20 * KB, "tests/a.rb": 60 * KB, "examples/b.rb": 60 * KB}, "c"),
    "Qt's translations are not TypeScript": (
        {"a.cpp": 9 * KB, "de.ts": b'<?xml version="1.0"?>' + b" " * 90 * KB,
         "fr.ts": b"\xef\xbb\xbf\n<!DOCTYPE TS>" + b" " * 90 * KB}, "c++"),
    "a video is not TypeScript": ({"a.sh": KB, "film.ts": b"G@\0\x10\0" * 9 * KB}, "shell"),
    "equals are told apart by name": (
        {"a.rb": KB, "a.py": KB, "a.rs": KB, "a.pl": KB, "a.lua": KB, "a.hs": KB, "a.go": KB},
        "go"),
    "C++ with project files of two kinds": (
        {"Makefile": 9, "setup.py": 0, "msvc/x/x.vcxproj": 9, "a.cpp": 90 * KB, "a.py": 15 * KB},
        "c++"),
    "an example's project file counts less": (
        {"src/go.mod": 9, "src/a.go": 20 * KB, "examples/package.json": 9,
         "examples/a.js": 200 * KB}, "go"),
    "an empty file counts": ({"main.py": 0}, "python"),
}  # fmt: skip


@pytest.mark.parametrize(("tree", "language"), CASES.values(), ids=CASES)
def test_the_language_is_what_a_reader_would_say(tmp_path: Path, tree: Tree, language: str) -> None:
    assert detect(plant(tmp_path, tree)) == language


@pytest.mark.parametrize(
    "name",
    [
        "node_modules/x/a.js", "vendor/a.js", "third_party/a.js", "dist/a.js", "build/a.js",
        "target/a.js", "Pods/a.js", "venv/lib/a.js", "a/__pycache__/a.js", ".cache/a.js",
        "a/b/node_modules/a.js", "a.min.js", "a-min.js", "jquery-3.7.js", "a_pb2.py",
        "a_pb2_grpc.py", "a.pb.go", "a.g.dart", "zz_generated_a.go", "a.bundle.js", "gradlew",
        "node_modules/x/package.json", "vendor/x/Cargo.toml",
    ],
)  # fmt: skip
def test_vendored_and_generated_files_do_not_count(tmp_path: Path, name: str) -> None:
    assert detect(plant(tmp_path, {name: b"#!/bin/sh\n" + b"x" * 90 * KB, "a.rb": 10})) == "ruby"
    (tmp_path / "a.rb").unlink()
    assert detect(tmp_path) is None


@pytest.mark.parametrize("marker", ["pyvenv.cfg", "CACHEDIR.TAG"])
def test_a_folder_that_says_it_is_an_environment_or_a_cache_does_not_count(
    tmp_path: Path, marker: str
) -> None:
    tree: Tree = {f"env/{marker}": 9, "env/lib/a.py": 90 * KB, "a.rb": 10, marker: 9}
    assert detect(plant(tmp_path, tree)) == "ruby"


@pytest.mark.parametrize(
    ("shebang", "language"),
    [
        (b"#!/bin/sh", "shell"), (b"#!/usr/bin/env bash", "shell"), (b"#! /usr/bin/zsh", "shell"),
        (b"#!/usr/bin/env python3", "python"), (b"#!/usr/bin/python3.11 -I", "python"),
        (b"#!/usr/bin/env -S node --x", "javascript"), (b"#!/usr/bin/ruby2.7", "ruby"),
        (b"#!/usr/bin/perl -w", "perl"), (b"#!/usr/bin/env Rscript", "r"),
        (b"#!/usr/bin/lua5.4", "lua"), (b"#!/usr/bin/env julia", "julia"),
        (b"#!/usr/bin/env nix-shell\n#! nix-shell -i python3", "python"),
        (b"#!/opt/unknown", None), (b"#!", None), (b"#!\xff\xfe", None), (b"#!/bin/'", None),
        (b"#!''", None), (b"\x7fELF", None), (b"", None),
    ],
)  # fmt: skip
def test_a_script_without_an_ending_is_known_by_its_shebang(
    tmp_path: Path, shebang: bytes, language: str | None
) -> None:
    assert detect(plant(tmp_path, {"run": shebang + b"\nrest\n"})) == language


@pytest.mark.parametrize(("mode", "language"), [(0o755, "shell"), (0o644, None)])
def test_a_file_of_unknown_ending_is_a_script_only_when_executable(
    tmp_path: Path, mode: int, language: Any
) -> None:
    plant(tmp_path, {"run.in": b"#!/bin/sh\n"})
    (tmp_path / "run.in").chmod(mode)
    assert detect(tmp_path) == language


def test_a_known_ending_is_believed_before_a_shebang(tmp_path: Path) -> None:
    plant(tmp_path, {"notes.md": b"#!/bin/sh\n" + b"x" * 900, "a.rb": b"#!/usr/bin/python\n"})
    (tmp_path / "notes.md").chmod(0o755)
    assert detect(tmp_path) == "ruby"

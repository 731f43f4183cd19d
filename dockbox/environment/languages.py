"""Tables: which language a file is, which files mark a project, which trees are not its code.

Tags of names and interpreters come from `identify` (pre-commit's).  That vendored and generated
files do not count, and documentation counts little, is GitHub Linguist's idea.
"""

from __future__ import annotations

import io
import re

from identify.identify import parse_shebang, tags_from_filename, tags_from_interpreter

# The pseudo-language of .h files: detect gives them to the C, C++ or Objective-C around them.
HEADER = "header"
NOTEBOOK = "notebook"

# identify's tag -> our name, where the two differ; in this order when a file has several tags.
_RENAMED = {
    "objective-c++": "objective-c", "cuda": "c++",
    "jupyter": NOTEBOOK, "cython": "python", "pyi": "python",
    "ts": "typescript", "tsx": "typescript",
    "jsx": "javascript", "coffee": "javascript", "vue": "javascript", "svelte": "javascript",
    "astro": "javascript",
    "aspectj": "java", "literate-haskell": "haskell", "luau": "lua", "vb": "visual basic",
    "asm": "assembly",
}  # fmt: skip
_SAME = (
    "awk c c# c++ clojure crystal dart elixir elm erlang f# fortran gdscript gleam go groovy"
    " haskell idris java javascript julia kotlin lean lua nim objective-c ocaml pascal perl php"
    " powershell purescript python r ruby rust scala scheme shell solidity swift system-verilog"
    " vala verilog vhdl vim zig"
)
LANGUAGE_OF_TAG = {**_RENAMED, **{tag: tag for tag in _SAME.split()}}
# Such files share a language's ending or syntax, but are settings or data.
_NOT_CODE = {"edn", "gyp", "jenkins"}

# What identify does not know.
_EXTENSIONS = {
    "adb": "ada", "ads": "ada", "cl": "common lisp", "cts": "typescript", "el": "emacs lisp",
    "f": "fortran", "for": "fortran", "gradle": None, "hs-boot": "haskell", "lisp": "common lisp",
    "mts": "typescript", "php7": "php", "php8": "php", "pxd": "python", "raku": "raku",
    "rkt": "racket", "rmd": "r", "sv": "system-verilog", "tcl": "tcl",
}  # fmt: skip
_INTERPRETERS = {
    "bun": "javascript", "crystal": "crystal", "deno": "typescript", "elixir": "elixir",
    "gawk": "awk", "groovy": "groovy", "jruby": "ruby", "julia": "julia", "lua": "lua",
    "luajit": "lua", "ocaml": "ocaml", "pwsh": "powershell", "pypy": "python", "rscript": "r",
    "runghc": "haskell", "runhaskell": "haskell", "scala": "scala", "swift": "swift",
    "tclsh": "tcl", "ts-node": "typescript", "tsx": "typescript",
}  # fmt: skip

# Languages that build with the same tools; the first one is the family's name.  A marker is for
# the family, the bytes then say which member.
FAMILIES = {
    member: members[0]
    for members in (
        ("javascript", "typescript"),
        ("java", "kotlin", "scala", "groovy"),
        ("c", "c++"),
        ("c#", "f#", "visual basic"),
        ("swift", "objective-c"),
    )
    for member in members
}

# Found beside nearly every project, or as a page's assets: they do not outweigh a marker.
ASIDE = {"javascript", "shell", "powershell", "awk", "vim"}

_MARKERS = {
    "python": "pyproject.toml setup.py setup.cfg requirements.txt Pipfile Pipfile.lock"
    " poetry.lock uv.lock manage.py",
    "javascript": "package.json deno.json deno.jsonc tsconfig.json",
    "go": "go.mod",
    "rust": "Cargo.toml",
    "java": "pom.xml build.gradle build.gradle.kts settings.gradle settings.gradle.kts build.sbt",
    "ruby": "Gemfile",
    "php": "composer.json",
    "elixir": "mix.exs",
    "erlang": "rebar.config",
    "haskell": "stack.yaml cabal.project",
    "swift": "Package.swift Podfile",
    "dart": "pubspec.yaml",
    "julia": "Project.toml",
    "r": "DESCRIPTION renv.lock",
    "perl": "cpanfile Makefile.PL Build.PL",
    "clojure": "project.clj deps.edn",
    "ocaml": "dune-project",
    "zig": "build.zig",
    "crystal": "shard.yml",
    "gleam": "gleam.toml",
    "elm": "elm.json",
}
MARKERS = {name: family for family, names in _MARKERS.items() for name in names.split()}
MARKER_ENDINGS = {
    ".csproj": "c#", ".fsproj": "c#", ".vbproj": "c#", ".sln": "c#", ".slnx": "c#",
    ".vcxproj": "c", ".gemspec": "ruby", ".cabal": "haskell", ".opam": "ocaml", ".nimble": "nim",
    ".rockspec": "lua", ".xcodeproj": "swift", ".xcworkspace": "swift",
}  # fmt: skip
# Every kind of project has a Makefile: for C and C++ these are hints only.
HINTS = dict.fromkeys(
    ("CMakeLists.txt", "Makefile", "makefile", "GNUmakefile", "meson.build", "configure.ac",
     "SConstruct"), "c",
)  # fmt: skip
# Markers written in a language that says nothing about the project's own.
_SETTINGS = {
    "Brewfile", "Fastfile", "Gemfile", "Package.swift", "Podfile", "Vagrantfile",
    "build.gradle.kts", "build.sbt", "settings.gradle.kts",
}  # fmt: skip

# Vendored, installed and generated; folders of a dot are ignored, too.
IGNORED_FOLDERS = {
    "node_modules", "bower_components", "jspm_packages", "vendor", "vendored", "_vendor",
    "third_party", "third-party", "thirdparty", "3rdparty", "external", "externals", "extern",
    "deps", "godeps", "pods", "carthage", "elm-stuff", "renv", "site-packages", "dist-packages",
    "venv", "virtualenv", "dist", "build", "_build", "target", "out", "obj", "deriveddata",
    "coverage", "htmlcov", "generated", "__generated__", "__pycache__", "__snapshots__",
}  # fmt: skip
# Not what the project is, but better than nothing.
AUXILIARY_FOLDERS = {
    "doc", "docs", "documentation", "javadoc", "website", "example", "examples", "sample",
    "samples", "demo", "demos", "test", "tests", "__tests__", "spec", "specs", "fixtures",
    "testdata", "benchmark", "benchmarks",
}  # fmt: skip
_GENERATED = re.compile(
    r"""
    .*[.-]min\.(js|mjs|cjs) | .*\.(bundle|chunk)\.js | (jquery|bootstrap)[\w.-]*\.js
    | .*_pb2(_grpc)?\.pyi? | .*\.pb\.(go|cc|h|rb|swift|dart) | .*_pb\.(js|d\.ts|rb)
    | .*[._]generated\.\w+ | .*\.(gen|g|freezed|designer)\.\w+ | zz_generated.*
    | .*\.tab\.[ch] | lex\.yy\.c | package-lock\.json | .*\.lock
    | configure | config\.(guess|sub|status) | ltmain\.sh | install-sh | libtool | depcomp
    | missing | compile | ylwrap | test-driver | gradlew(\.bat)? | mvnw(\.cmd)? | versioneer\.py
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


def marked(name: str) -> str | None:
    """The family of languages that a file or folder of this name is the project file of."""
    return MARKERS.get(name) or MARKER_ENDINGS.get(_ending(name))


def ignored_folder(name: str) -> bool:
    return name.startswith(".") or name.lower() in IGNORED_FOLDERS


def generated(name: str) -> bool:
    return _GENERATED.fullmatch(name) is not None


def of_name(name: str) -> str | None:
    """The language of a file by its name, ``HEADER`` or ``NOTEBOOK``; ``None`` when none."""
    if name in _SETTINGS:
        return None
    extension = _ending(name)[1:]
    if extension in _EXTENSIONS:
        return _EXTENSIONS[extension]
    return _of_tags(tags_from_filename(name))


def has_tags(name: str) -> bool:
    """Whether the name says what the file is, code or not."""
    return bool(tags_from_filename(name))


def of_shebang(head: bytes) -> str | None:
    """The language of a script by its first bytes; ``None`` when there is no known shebang."""
    command = parse_shebang(io.BytesIO(head))
    if not command:
        return None
    program = command[0].rpartition("/")[2].lower()
    program = re.sub(r"[\d.]+$", "", program)  # lua5.4, pypy3
    return _INTERPRETERS.get(program) or _of_tags(tags_from_interpreter(program))


def is_typescript(head: bytes) -> bool:
    """Whether a ``.ts`` file is code: Qt's translations (XML) and MPEG video share the ending."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return b"\0" not in head and not start.startswith((b"<?xml", b"<!DOCTYPE"))


def _of_tags(tags: set[str]) -> str | None:
    if tags & _NOT_CODE:
        return None
    if {"c", "c++"} <= tags:
        return HEADER
    if tags.isdisjoint(LANGUAGE_OF_TAG):
        return None
    return next((language for tag, language in LANGUAGE_OF_TAG.items() if tag in tags), None)


def _ending(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return f".{extension.lower()}" if dot and stem else ""

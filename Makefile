# `make` alone lists the targets.  Everything can be run again and again.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PY := .venv/bin/python
JOBS ?= 4 # of the tests, each with an engine and a PostgreSQL of its own

.PHONY: help setup run test test-setup check bench sizing chaos compose format lock audit fuzz clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.run dockbox/static/vendor/.stamp ## install what running needs; Python packages into .venv
	@scripts/need git git

run: setup ## install what running needs, and start dockbox
	@scripts/engine
	exec .venv/bin/gunicorn -c deploy/gunicorn.conf.py wsgi:app

test: .venv/.dev web/vendor/.stamp ## install what the tests need, and run them all
	@scripts/need git git dockerd docker.io docker-registry docker-registry \
	  busybox busybox-static bash-static bash-static initdb postgresql mkfs.ext4 e2fsprogs \
	  ip iproute2 iptables iptables vim.tiny vim-tiny node nodejs \
	  haproxy haproxy nginx nginx-light faketime faketime openssl openssl ssh openssh-client chromium chromium
	@[ -d /usr/share/nodejs/ws ] || scripts/apt node-ws # for a Node.js without WebSocket
	@# all operations of the API have one id, of which pytest-xdist runs a single test
	[ -n "$(ARGS)" ] || $(PY) -m pytest -p no:xdist tests/fuzz/test_api.py
	$(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-setup: .venv/.dev ## run setup_ec2.sh on a bare Debian 12 of its own
	@scripts/need debootstrap debootstrap git git dockerd docker.io \
	  busybox busybox-static bash-static bash-static initdb postgresql
	@root=$$(mktemp -d); trap 'rm -rf "$$root"' EXIT; chmod 755 "$$root"; \
	debootstrap --include=systemd-sysv,ca-certificates bookworm "$$root" \
	  "$$(apt-get indextargets --format '$$(REPO_URI)' 'Codename: bookworm' | head -1)"; \
	SETUP_ROOT=$$root $(PY) -m pytest tests/deploy --timeout 900 $(ARGS)

check: .venv/.dev ## format, lint and types, changing nothing
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	@if command -v shellcheck >/dev/null; then shellcheck -x $$(grep -lE '^#!.*bash' scripts/*) .ci/run \
	  setup_ec2.sh deploy/as-dockbox deploy/firewall deploy/cloudformation/{server,engine,certificates}; fi

format: .venv/.dev ## mend format and lint
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

bench: .venv/.bench dockbox/static/vendor/.stamp ## measure dockbox beside Docker itself; docs/benchmarks.md explains the table
	@scripts/need git git dockerd docker.io busybox busybox-static bash-static bash-static initdb postgresql chromium chromium
	$(PY) -m tests.bench $(ARGS)

sizing: .venv/.dev ## measure what a server, a dockbox and a connection take; ARGS=--write puts it into docs/operating.md
	@scripts/need git git dockerd docker.io busybox busybox-static bash-static bash-static initdb postgresql
	$(PY) -m tests.bench.sizing $(ARGS)

chaos: .venv/.dev ## break everything at random, and see that dockbox bears it
	@scripts/need git git dockerd docker.io busybox busybox-static bash-static bash-static \
	  initdb postgresql ip iproute2 iptables iptables
	$(PY) -m tests.chaos $(ARGS)

compose: .venv/.dev ## deploy/compose.yml and the image, from nothing; for minutes, needs the ports 80, 443 and 8000
	@scripts/need git git dockerd docker.io docker-compose docker-compose debootstrap debootstrap \
	  busybox busybox-static bash-static bash-static openssl openssl ip iproute2 iptables iptables
	$(PY) -m tests.compose

lock: .venv/.tools ## pin what requirements*.in ask for, with hashes, in requirements*.txt
	scripts/lock $(ARGS)

audit: .venv/.tools ## ask whether a weakness is known of what is pinned
	scripts/audit $(ARGS)

fuzz: .venv/.dev ## send what strangers might, at random, for minutes
	@scripts/need git git dockerd docker.io busybox busybox-static bash-static bash-static \
	  initdb postgresql ip iproute2 iptables iptables
	$(PY) -m tests.fuzz $(ARGS)

clean: ## remove what was installed here, but no data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dockbox/static/vendor web/vendor

.venv/.run: requirements.txt
	@scripts/venv requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt
	@scripts/venv requirements-dev.txt
	@touch .venv/.run $@

.venv/.bench: requirements-bench.txt .venv/.dev
	@scripts/venv requirements-bench.txt
	@touch $@

dockbox/static/vendor/.stamp: web/package-lock.json scripts/assets | .venv/.run
	$(PY) scripts/assets

web/vendor/.stamp: web/package-lock.json scripts/assets | .venv/.run
	$(PY) scripts/assets --dev

.venv/.tools: requirements-tools.txt | .venv/.run
	@scripts/venv requirements-tools.txt .venv/tools
	@touch $@

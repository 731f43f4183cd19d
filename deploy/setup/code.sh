# shellcheck shell=bash
# setup_ec2.sh: the code, a folder for each commit with all that it needs.

trusting() { git -c safe.directory="$here" -C "$here" "$@"; } # the checkout of who called sudo

named() { # of git's answer, which has all that end in the same way, the commit that it means by $ref itself
  awk -v ref="$ref" '{ found[$2] = $1 } END {
    count = split(ref "^{} " ref " refs/" ref " refs/tags/" ref "^{} refs/tags/" ref " refs/heads/" ref, names, " ")
    for (i = 1; i <= count; i++) if (names[i] in found) { print found[names[i]]; exit }
  }'
}

find_commit() {
  local installed
  installed=$(basename "$(readlink "$CODE" || true)")
  if [ -e "$CODE" ] && [ ! -L "$CODE" ]; then fail "$CODE is not a link of this script's: move it away"; fi
  if [ -n "$source" ]; then
    if ! command -v git >/dev/null; then commit=unknown; return; fi # a dry run
    commit=$(timeout 60 git ls-remote "$source" "$ref" "$ref^{}" | named)
    if [[ -z $commit && $ref =~ ^[0-9a-f]{40}$ ]]; then commit=$ref; fi
    if [ -z "$commit" ]; then fail "there is no $ref in that repository, or it cannot be reached"; fi
  elif [ "${here%/*}" = "$RELEASES" ]; then
    commit=${here##*/}
  elif ! command -v git >/dev/null; then
    commit=unknown
  else
    commit=$(trusting rev-parse -q --verify HEAD) || fail "is not in a checkout of git: --source says where the code is"
    if [ -n "$(trusting --no-optional-locks status --porcelain -uno)" ]; then note "what is not committed is not installed"; fi
  fi
  if [ -n "$installed" ] && [ "$installed" != "$commit" ] && [ -z "$upgrade" ]; then
    note "${installed:0:12} stays installed; --upgrade changes it to ${commit:0:12}"
    commit=$installed
  fi
  release=$RELEASES/$commit
  tree=$release
  if [ ! -e "$release/.ready" ]; then
    change "install dockbox ${commit:0:12} in $release" build
    if [ -n "$dry" ]; then tree=$here; fi
  fi
}

build() {
  local venv fetched
  rm -rf "$release"
  mkdir -p "$release"
  if [ -n "$source" ]; then
    fetched=$(mktemp -d)
    git init -q --bare "$fetched"
    timeout 600 git -C "$fetched" fetch -q --depth 1 "$source" "$ref"
    git -C "$fetched" archive "$commit" | tar -x -C "$release"
    rm -rf "$fetched"
  else
    trusting archive "$commit" | tar -x -C "$release"
  fi
  # Versions with the same packages share an environment: an upgrade takes seconds.
  venv=$RELEASES/venv-$(sha256sum "$release/requirements.txt" | cut -c1-12)
  "$release/scripts/venv" requirements.txt "$venv"
  touch "$venv/.run"
  ln -s "$venv" "$release/.venv"
  make -C "$release" --no-print-directory -s setup
  ln -s "$STATE" "$release/instance"
  "$release/.venv/bin/python" -m compileall -q "$release/dockbox" "$release/wsgi.py"
  touch "$release/.ready"
}

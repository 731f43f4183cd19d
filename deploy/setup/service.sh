# shellcheck shell=bash
# setup_ec2.sh: a version that has been proved becomes the service, or the former one goes on.

as_dockbox() { "$release/deploy/as-dockbox" "$@"; }

prove() { # nothing that runs is touched before this has passed
  local said
  if [ ! -e "$release/.ready" ]; then
    change "bring the database's tables up to date" # of a dry run, which cannot ask
    return
  fi
  if ! said=$(as_dockbox gunicorn --check-config -c deploy/gunicorn.conf.py wsgi:app 2>&1); then
    give_up "dockbox ${commit:0:12} does not start with these settings: $said"
  fi
  if ! said=$(timeout 60 "$release/deploy/as-dockbox" flask --app wsgi db current 2>&1); then
    give_up "the database cannot be asked: $(tail -1 <<<"$said")"
  fi
  if [[ $said == *'(head)'* ]]; then return; fi
  change "bring the database's tables up to date" migrate
}

migrate() {
  local said
  if ! said=$(as_dockbox flask --app wsgi db upgrade 2>&1); then
    give_up "the database's tables were not brought up to date: $(tail -1 <<<"$said")"
  fi
}

give_up() { # WHY: a restart shall find what it ran with
  if [ -n "$settings_before" ] && [ -z "$dry" ]; then
    put_now "$SETTINGS" 640 root:dockbox "$settings_before"
  fi
  fail "$1; nothing that ran was touched"
}

# --- units -----------------------------------------------------------------------------------

units() { # FOLDER: the names of the code's that this machine needs
  local file
  for file in "$1"/deploy/*.{service,socket,timer}; do
    if [ -e "$file" ] && { local_docker || [[ $file != */dockbox-firewall.service ]]; }; then
      echo "${file##*/}"
    fi
  done
}

install_units() { # FOLDER of the code
  local name host address text
  for name in $(units "$1"); do put "$UNITS/$name" 644 root:root "$(<"$1/deploy/$name")"; done
  text="[Unit]"$'\n'"RequiresMountsFor=$mount"$'\n'"[Service]"$'\n'"ReadWritePaths=$mount"
  if ! local_docker; then text+=$'\n'"SupplementaryGroups="; fi # there is no group docker here
  put "$UNITS/dockbox.service.d/setup.conf" 644 root:root "$text"
  if [ -e "$1/deploy/dockbox.socket" ]; then
    host=$(setting HOST)
    address=${host:-0.0.0.0}:$(setting PORT)
    text="[Socket]"$'\n'"ListenStream="$'\n'"ListenStream=$address"
    put "$UNITS/dockbox.socket.d/setup.conf" 644 root:root "$text"
  fi
  if local_docker; then
    put "$FIREWALL" 755 root:root "$(<"$1/deploy/firewall")"
    if [ -n "$firewall" ] || [ ! -e "$FIREWALL_OPTIONS" ]; then
      put "$FIREWALL_OPTIONS" 644 root:root "OPTIONS=$firewall"
    fi
  fi
}

enable_units() { # FOLDER of the code
  local name
  if ! command -v systemctl >/dev/null; then return; fi
  for name in $(units "$1"); do
    if grep -q '^\[Install\]' "$1/deploy/$name" && ! systemctl --root=/ -q is-enabled "$name" 2>/dev/null; then
      change "enable $name" systemctl --root=/ -q enable "$name"
    fi
  done
}

# --- start, and change to another version ----------------------------------------------------

switch() { # FOLDER, at once
  ln -sfn "$1" "$CODE.new"
  mv -T "$CODE.new" "$CODE"
}

activate() {
  local former
  former=$(readlink "$CODE" || true)
  install_units "$tree"
  enable_units "$tree"
  if [ "$former" != "$release" ]; then
    change "switch $CODE to ${commit:0:12}" switch "$release"
    written+=" $CODE"
  fi
  if ! booted; then
    note "systemd does not run here: nothing was started"
    return
  fi
  if [ -n "$written" ]; then change "have systemd read the units" systemctl daemon-reload; fi
  if local_docker; then start_firewall; fi
  if [[ $written =~ $SETTINGS|$CODE|/dockbox\.(service|socket) ]] || ! systemctl -q is-active dockbox; then
    change "start dockbox anew" start_or_return "$former"
  fi
}

start_firewall() { # a restart of it would restart Docker
  if ! systemctl -q is-active dockbox-firewall; then
    change "put the firewall's rules in place" systemctl start dockbox-firewall
  elif [[ $written == *firewall* ]]; then
    change "put the firewall's new rules in place" systemctl reload dockbox-firewall
  fi
}

start_or_return() { # FORMER release, or nothing
  if start; then return; fi
  if [ -n "$1" ] && [ "$1" != "$release" ]; then
    switch "$1"
    install_units "$1"
    systemctl daemon-reload
    start || fail "neither ${commit:0:12} nor ${1##*/} starts: journalctl -u dockbox"
    fail "dockbox ${commit:0:12} does not start (journalctl -u dockbox); ${1##*/} goes on"
  fi
  fail "dockbox does not start: journalctl -u dockbox"
}

start() { # dockbox.socket keeps the port meanwhile, unless it is told another one
  local changed=(dockbox.service) until=$((SECONDS + 60)) host
  if [[ $written == */dockbox.socket* ]]; then changed=(dockbox.socket dockbox.service); fi
  timeout 120 systemctl restart "${changed[@]}" || return 1
  host=$(setting HOST)
  if [ "${host:-0.0.0.0}" = 0.0.0.0 ]; then host=127.0.0.1; fi
  until curl -fs -o /dev/null -m 5 "http://$host:$(setting PORT)/health"; do
    if ((SECONDS > until)); then return 1; fi
    sleep 0.3
  done
}

tidy_releases() { # what runs and the one before it stay
  local folder kept
  if [ -n "$dry" ]; then return; fi
  for folder in $(find "$RELEASES" -mindepth 2 -maxdepth 2 -name .ready -printf '%T@ %h\n' | sort -rn |
    awk 'NR > 2 {print $2}'); do
    if [ "$folder" != "$release" ]; then change "remove the old ${folder##*/}" rm -rf "$folder"; fi
  done
  kept=$(find "$RELEASES" -mindepth 2 -maxdepth 2 -name .venv -printf '%l\n')
  for folder in "$RELEASES"/venv-*; do
    if ! grep -qFx "$folder" <<<"$kept"; then change "remove the old ${folder##*/}" rm -rf "$folder"; fi
  done
}

# --- the end ---------------------------------------------------------------------------------

uninstall() {
  local name names
  mount=/srv/dockbox
  if [ -f "$SETTINGS" ]; then read_settings "$SETTINGS"; fi
  if [ -n "${settings[MOUNT_POINT]+set}" ]; then mount=$(setting MOUNT_POINT); fi
  names=$(find "$UNITS" -maxdepth 1 -type f -name 'dockbox*.*' -printf '%f\n' | sort)
  for name in $names; do change "remove $name" remove_unit "$name"; done
  if [ -n "$names" ] && booted; then change "have systemd read the units" systemctl daemon-reload; fi
  for name in "$CODE" "$RELEASES" "$FIREWALL" "$FIREWALL_OPTIONS"; do remove "$name"; done
  if [ -z "$purge" ]; then
    note "$SETTINGS, $mount, $STATE, the user dockbox, Docker, its containers and all packages stay"
    return
  fi
  purge_data
}

remove_unit() { # NAME: without it the firewall takes its rules away, and the service ends
  if command -v systemctl >/dev/null; then
    systemctl --root=/ -q disable "$1" 2>/dev/null
    if booted; then
      systemctl daemon-reload # or Docker, which requires the firewall, would be stopped with it
      timeout 120 systemctl stop "$1"
    fi
  fi
  rm -rf "${UNITS:?}/$1" "${UNITS:?}/$1.d"
}

remove() { # PATH
  if [ -e "$1" ] || [ -L "$1" ]; then change "remove $1" rm -rf --one-file-system "$1"; fi
}

shared() { # PATH: is it in a file system that other servers may use?
  [[ $(stat -L -f -c %T "$1" 2>/dev/null) =~ ^(nfs|smb|cifs|ceph|fuse|gfs|gpfs|lustre|afs|ocfs2|9p|v9fs) ]]
}

purge_data() {
  local line
  line=$(awk -v at="$mount" '$2 == at' /etc/fstab 2>/dev/null || true)
  if [ -n "$line" ]; then # other servers may use what is on it
    if mountpoint -q "$mount"; then change "unmount $mount" timeout 90 umount "$mount"; fi
    put /etc/fstab 644 root:root "$(awk -v at="$mount" '$2 != at' /etc/fstab)"
  elif mountpoint -q "$mount"; then
    note "$mount is a mount of somebody else's: it stays"
  elif shared "$mount"; then
    note "$mount is on a network's file system, which other servers may use: it stays"
  else
    remove "$mount"
  fi
  remove "$STATE"
  remove "$SETTINGS"
  if getent passwd dockbox >/dev/null; then change "remove the user dockbox" userdel dockbox; fi
  note "the database, Docker, its containers and all packages stay"
}

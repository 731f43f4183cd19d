#!/usr/bin/env bash
# Make a bare Debian 12 or Ubuntu 22.04/24.04 machine a server of dockbox; again and again with the
# same result.  docs/ec2.md explains each step.
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
export GIT_TERMINAL_PROMPT=0 NEEDRESTART_MODE=l # which lists what should restart, and restarts nothing
umask 022

# As deploy/dockbox.service has them.
CODE=/opt/dockbox # a link to one of
RELEASES=/opt/dockbox-releases # which has a folder for each commit, and their virtual environments
SETTINGS=/etc/dockbox.env
STATE=/var/lib/dockbox # instance/ of all releases: SQLite
UNITS=/etc/systemd/system
FIREWALL=/usr/local/sbin/dockbox-firewall FIREWALL_OPTIONS=/etc/default/dockbox-firewall
DAEMON=/etc/docker/daemon.json
# https://docs.aws.amazon.com/efs/latest/ug/mounting-fs-nfs-mount-settings.html
NFS=nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport,_netdev

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
mode=install upgrade='' purge='' dry='' given='' source='' ref=HEAD storage='' docker=distribution
uid='' firewall='' mount='' commit='' release='' tree='' step='' changes=''
written='' settings_before='' # files that this run has written, and what the settings were
declare -A settings=()

usage() {
  cat <<'END'
sudo ./setup_ec2.sh [OPTION…]   make this machine a server of dockbox, or bring it back to that
  --settings FILE       dockbox's settings, NAME=VALUE a line, kept in /etc/dockbox.env with those that
                        are there; - reads standard input.  DATABASE_HOST, _PORT, _NAME, _USER and
                        _PASSWORD may come from the environment instead
  --storage SOURCE      mount this at MOUNT_POINT: HOST:/PATH (NFS; EFS by its DNS name), or fs-… (EFS with
                        TLS, by amazon-efs-utils).  Without it MOUNT_POINT is a local folder
  --source URL          take the code from this git repository, not from the checkout of this script
  --ref REF             branch, tag or commit of that repository (default: its HEAD)
  --docker WHOSE        distribution (default) or upstream: whose packages of Docker Engine
  --firewall OPTIONS    of deploy/firewall, in one word: '--block 203.0.113.0/24'
  --uid N               number of the user dockbox, where servers share an NFS (default: any)
  --upgrade             also change the code, if it is of another version than what is installed
  --uninstall           remove the service; settings, data, database, Docker and packages stay
  --purge               with --uninstall: settings, the user and local data go as well, NFS is unmounted
  --dry-run             say what would be changed, and change nothing
  --help                this
END
}

fail() { echo "setup_ec2.sh: $*" >&2; step=''; exit 1; }
note() { echo "note: $*" >&2; }

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
      --settings | --storage | --source | --ref | --docker | --firewall | --uid)
        if [ $# -lt 2 ] || [ -z "$2" ]; then fail "$1 needs a value; see --help"; fi ;;&
      --settings) given=$2; shift ;;
      --storage) storage=$2; shift ;;
      --source) source=$2; shift ;;
      --ref) ref=$2; shift ;;
      --docker) docker=$2; shift ;;
      --firewall) firewall=$2; shift ;;
      --uid) uid=$2; shift ;;
      --upgrade) upgrade=1 ;;
      --uninstall) mode=uninstall ;;
      --purge) purge=1 ;;
      --dry-run) dry=1 ;;
      -h | --help) usage; exit ;;
      *) fail "does not know '$1'; --help says what it knows" ;;
    esac
    shift
  done
  if [[ ! $docker =~ ^(distribution|upstream)$ ]]; then fail "--docker is distribution or upstream"; fi
  if [ "$ref" != HEAD ] && [ -z "$source" ]; then fail "--ref goes with --source; or check it out here"; fi
  if [ -n "$uid" ] && [[ ! $uid =~ ^[1-9][0-9]*$ ]]; then fail "--uid is a number"; fi
  if [ -n "$purge" ] && [ "$mode" != uninstall ]; then fail "--purge goes with --uninstall"; fi
  if [ -n "$storage" ] && [[ ! $storage =~ ^(fs-[0-9a-f]+(:/[^[:space:]]*)?|[^[:space:]]+:/[^[:space:]]*)$ ]]; then
    fail "--storage is HOST:/PATH or fs-…, not '$storage'"
  fi
}

look_at_machine() {
  if [ "$(id -u)" != 0 ]; then fail "needs root: sudo $0 …"; fi
  # shellcheck source=/dev/null
  if [ -r /etc/os-release ]; then . /etc/os-release; fi
  case ${ID:-}:${VERSION_ID:-} in
    debian:12 | ubuntu:22.04 | ubuntu:24.04) ;;
    *) fail "knows Debian 12, Ubuntu 22.04 and 24.04; this is ${PRETTY_NAME:-something else}" ;;
  esac
  exec 9<"${BASH_SOURCE[0]}"
  flock -n 9 || fail "runs already"
}

# --- how things are changed ------------------------------------------------------------------

change() { # TEXT COMMAND…: say it, and do it unless this is a dry run
  changes=$((changes + 1))
  if [ -n "$dry" ]; then echo "would $1"; return; fi
  echo "$1"
  step=$1 # what finish() says if the command fails, and the script with it
  "${@:2}"
  step=''
}

put() { # FILE MODE OWNER:GROUP CONTENT
  if [ -f "$1" ] && [ "$(stat -c %a:%U:%G "$1")" = "$2:$3" ] && [ "$(<"$1")" = "$4" ]; then return; fi
  change "write $1" put_now "$@"
  written+=" $1"
}

put_now() { # at once, so that nobody reads half of it, or a secret with other modes
  mkdir -p "${1%/*}"
  install -m "$2" -o "${3%:*}" -g "${3#*:}" /dev/stdin "$1.new" <<<"$4"
  mv "$1.new" "$1"
}

booted() { [ -d /run/systemd/system ]; } # by systemd, rather than in a chroot or a container

finish() { # STATUS, whatever way the script ends
  if [ -n "$step" ]; then echo "setup_ec2.sh: could not $step" >&2; fi
  if [ "$1" != 0 ] || [ -z "$changes" ]; then return; fi
  if [ "$changes" = 0 ]; then
    echo "nothing to change"
  elif [ -n "$dry" ]; then
    echo "changes to make: $changes"
  else
    echo "changes made: $changes"
  fi
}

# --- what is done, in this order -------------------------------------------------------------

# shellcheck source=deploy/setup/settings.sh
. "$here/deploy/setup/settings.sh"
# shellcheck source=deploy/setup/machine.sh
. "$here/deploy/setup/machine.sh"
# shellcheck source=deploy/setup/code.sh
. "$here/deploy/setup/code.sh"
# shellcheck source=deploy/setup/service.sh
. "$here/deploy/setup/service.sh"

main() {
  parse "$@"
  trap 'finish $?' EXIT
  look_at_machine
  changes=0
  if [ "$mode" = uninstall ]; then
    uninstall
    return
  fi
  collect_settings
  if local_docker; then refuse_open_docker; fi
  install_packages
  find_commit # and build it, beside what runs
  if local_docker; then prepare_docker; fi
  make_user
  mount_storage
  write_settings
  prove
  activate
  tidy_releases
}

main "$@"

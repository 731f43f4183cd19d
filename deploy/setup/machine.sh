# shellcheck shell=bash
# setup_ec2.sh: packages, Docker, the user and the place of the data.

local_docker() { [[ $(setting DOCKER_SERVER_HOST) == unix://* ]]; }

by_efs_utils() { [[ $storage =~ ^fs-[0-9a-f]+(:|$) ]]; } # a DNS name begins so, too

install_packages() {
  local wanted=(ca-certificates curl git make postgresql-client) missing=() package
  case $VERSION_ID in
    22.04) wanted+=(python3.11-venv) ;;
    *) wanted+=(python3-venv) ;;
  esac
  if [ -n "$storage" ] && ! by_efs_utils; then wanted+=(nfs-common); fi
  if local_docker; then
    wanted+=(iptables) # of deploy/firewall
    if ! command -v dockerd >/dev/null; then
      case $docker in
        distribution) wanted+=(docker.io) ;;
        upstream) wanted+=(docker-ce docker-ce-cli containerd.io) ;;
      esac
    fi
  fi
  for package in "${wanted[@]}"; do
    if [[ $(dpkg-query -Wf '${Status}' "$package" 2>/dev/null) != *' installed' ]]; then
      missing+=("$package")
    fi
  done
  # git before 2.37 cannot be kept to the address that was checked (http.curloptResolve)
  if [ "$VERSION_ID" = 22.04 ] && ! compgen -G '/etc/apt/sources.list.d/git-core*' >/dev/null; then
    change "add git's own repository for Ubuntu 22.04 (ppa:git-core/ppa)" add_git_repository
    missing+=(git)
  fi
  if [ ${#missing[@]} = 0 ]; then return; fi
  if [[ " ${missing[*]} " == *" docker-ce "* ]]; then
    change "add Docker's repository of packages" add_docker_repository
  fi
  change "install packages: ${missing[*]}" apt_install "${missing[@]}"
}

apt_get() { apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"; }

apt_install() {
  apt_get -o APT::Update::Error-Mode=any update || fail "cannot reach the archive of packages"
  apt_get install -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@" >/dev/null
}

add_docker_repository() {
  apt_install ca-certificates curl
  mkdir -p /etc/apt/keyrings
  curl -fsSL --max-time 60 -o /etc/apt/keyrings/docker.asc "https://download.docker.com/linux/$ID/gpg"
  cat >/etc/apt/sources.list.d/docker.sources <<END
Types: deb
URIs: https://download.docker.com/linux/$ID
Suites: $VERSION_CODENAME
Components: stable
Signed-By: /etc/apt/keyrings/docker.asc
END
}

add_git_repository() {
  apt_install software-properties-common
  add-apt-repository -y ppa:git-core/ppa >/dev/null
}

refuse_open_docker() { # whoever reaches an engine's port without TLS is root here
  local text pid address='tcp://(0\.0\.0\.0|\[?::\]?|\*)?:[0-9]'
  text=$(cat "$DAEMON" /etc/default/docker {/etc,/lib}/systemd/system/docker.s{ervice,ocket}{,.d/*.conf} \
    2>/dev/null | grep -v '^[[:space:]]*#' || true)
  for pid in $(pidof dockerd || true); do text+=$'\n'$(tr '\0' ' ' <"/proc/$pid/cmdline"); done
  if ! grep -qE -- "$address" <<<"$text"; then return; fi
  if ! grep -qE -- 'tlsverify"?([[:space:]]|: *true|=true|$)' <<<"$text"; then
    fail "Docker listens on TCP at all addresses without TLS, which makes everybody root: take it out of daemon.json or docker.service first"
  fi
  note "Docker listens on TCP at all addresses, with TLS: let only dockbox's servers reach the port"
}

prepare_docker() {
  if [ "$(setting RUNTIME)" != swarm ] && ! grep -qs '"live-restore"' "$DAEMON"; then
    # containers live on while Docker is upgraded, and a Swarm cannot have it
    change "write $DAEMON: live-restore" keep_containers
  fi
  if booted && ! systemctl -q is-active docker; then
    change "start Docker" systemctl enable -q --now docker
  fi
}

keep_containers() {
  local text
  text=$(python3 -c 'import json, pathlib, sys
file = pathlib.Path(sys.argv[1])
settings = json.loads(file.read_text() or "{}") if file.exists() else {}
print(json.dumps({**settings, "live-restore": True}, indent=2))' "$DAEMON")
  put_now "$DAEMON" 644 root:root "$text"
  if booted && systemctl -q is-active docker; then systemctl reload docker; fi
}

make_user() {
  if ! getent passwd dockbox >/dev/null; then
    change "make the user dockbox" add_user
  elif [ -n "$uid" ] && [ "$(id -u dockbox)" != "$uid" ]; then
    fail "the user dockbox has the number $(id -u dockbox), not $uid"
  fi
  if local_docker && [[ " $(id -Gn dockbox 2>/dev/null) " != *" docker "* ]]; then
    change "let dockbox use Docker's socket" usermod -aG docker dockbox
  fi
  folder "$STATE"
}

add_user() {
  groupadd --system ${uid:+--gid "$uid"} dockbox
  useradd --system ${uid:+--uid "$uid"} --gid dockbox --home-dir "$STATE" --no-create-home \
    --shell /usr/sbin/nologin dockbox
}

folder() { # PATH: make it dockbox's own; an operator may have given it another group and mode
  if [ "$(stat -c %U "$1" 2>/dev/null)" = dockbox ]; then return; fi
  change "make $1 dockbox's own" install -d -m 750 -o dockbox -g dockbox "$1"
}

mount_storage() {
  local type=nfs4 options=$NFS others=''
  if [ -n "$storage" ]; then
    if by_efs_utils; then
      type=efs options=_netdev,noresvport,tls
      if ! command -v mount.efs >/dev/null; then
        fail "fs-… needs amazon-efs-utils, which is not in the archive: install it, or name the NFS (docs/ec2.md)"
      fi
    fi
    if [ -f /etc/fstab ]; then others=$(awk -v at="$mount" '$2 != at' /etc/fstab); fi
    put /etc/fstab 644 root:root "${others:+$others$'\n'}$storage $mount $type $options 0 0"
    if ! mountpoint -q "$mount"; then
      change "mount $storage at $mount" mount_now
    elif [[ $written == *' /etc/fstab'* ]]; then
      note "what is mounted at $mount stays until it is unmounted: /etc/fstab says $storage from now on"
    fi
  fi
  folder "$mount"
}

mount_now() {
  mkdir -p "$mount"
  timeout 90 mount "$mount"
}

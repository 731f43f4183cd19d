# shellcheck shell=bash
# setup_ec2.sh: dockbox's settings, from the options, the environment and what is there.

quoted() { # VALUE, so that systemd and python-dotenv read the same
  local value=${1//\\/\\\\}
  if [[ $value == *$'\n'* ]]; then fail "a setting cannot have several lines"; fi
  echo "\"${value//\"/\\\"}\""
}

read_settings() { # FILE: its lines, as they are, by their names
  local line name
  while IFS= read -r line || [ -n "$line" ]; do
    if [[ $line =~ ^([A-Z][A-Z0-9_]*)= ]]; then
      name=${BASH_REMATCH[1]}
      settings[$name]=${line#*=}
      if [[ ! ${line#*=} =~ ^[\"\'] && ${line#*=} =~ [\"\'\\]|[[:space:]]\# ]]; then
        fail "$name needs quotes: systemd and python-dotenv read it differently without"
      fi
    elif [[ ! $line =~ ^[[:space:]]*([#\;]|$) ]]; then
      fail "the settings have a line that is not NAME=VALUE" # and may be a secret
    fi
  done <"$1"
}

setting() { # NAME: its value, without quotes
  local value=${settings[$1]-}
  if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then value=${BASH_REMATCH[1]}; fi
  echo "$value"
}

collect_settings() {
  local name
  if [ -f "$SETTINGS" ]; then read_settings "$SETTINGS"; fi
  for name in DATABASE_{HOST,PORT,NAME,USER,PASSWORD}; do
    if [ -n "${!name+set}" ]; then settings[$name]=$(quoted "${!name}"); fi
    unset "$name" # no program that is started here needs it
  done
  if [ "$given" = - ]; then given=/dev/stdin; fi
  if [ -n "$given" ] && [ ! -r "$given" ]; then fail "cannot read $given"; fi
  if [ -n "$given" ]; then read_settings "$given"; fi
  if [ -z "${settings[DATABASE_HOST]+set}" ]; then
    fail "DATABASE_HOST is missing: PostgreSQL's host, or nothing for SQLite; see --settings in --help"
  fi
  if [ -n "$(setting DATABASE_HOST)" ]; then
    if [ -z "$(setting DATABASE_PASSWORD)" ]; then fail "DATABASE_PASSWORD is missing; see --settings in --help"; fi
    default DATABASE_PORT 5432
    default DATABASE_USER dockbox
  fi
  for name in DATABASE_{PORT,USER,PASSWORD}; do default "$name" ''; done
  default DATABASE_NAME dockbox
  default ENVIRONMENT production
  default PORT 8000
  default DOCKER_SERVER_HOST unix:///var/run/docker.sock
  default MOUNT_POINT /srv/dockbox
  mount=$(setting MOUNT_POINT)
  if [[ ! $mount =~ ^/[A-Za-z0-9._/-]+$ ]]; then fail "MOUNT_POINT is an absolute path, without spaces"; fi
  # it becomes dockbox's own, and --purge removes it
  if [[ $mount/ =~ ^/+((bin|boot|dev|etc|home|lib|opt|proc|root|run|sbin|srv|sys|tmp|usr|var|var/lib)/+)?$ || $mount/ =~ /\.\.?/ ]]; then
    fail "MOUNT_POINT is a folder of dockbox's own, not $mount"
  fi
}

default() { settings[$1]=${settings[$1]-$2}; } # NAME VALUE

write_settings() { # lines of the file keep their place, and comments stay
  local line name text='' left
  left=$(printf '%s\n' "${!settings[@]}" | sort)
  if [ -f "$SETTINGS" ]; then
    while IFS= read -r line || [ -n "$line" ]; do
      name=${line%%=*}
      if [[ $line =~ ^[A-Z] ]]; then
        line=$name=${settings[$name]} left=$(grep -vFx "$name" <<<"$left" || true)
      fi
      text+=$line$'\n'
    done <"$SETTINGS"
  fi
  for name in $left; do text+=$name=${settings[$name]}$'\n'; done
  if [ -f "$SETTINGS" ]; then settings_before=$(<"$SETTINGS"); fi
  put "$SETTINGS" 640 root:dockbox "${text%$'\n'}"
}

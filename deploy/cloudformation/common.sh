# shellcheck shell=bash
# What a server and the engine both need on an Ubuntu 24.04 of EC2; read by `server` and `engine`.

MOUNT_POINT=/srv/dockbox # the same on all of them

fail() { echo "${0##*/}: $*" >&2; exit 1; }

install_packages() { # NAME…
  apt-get -qq -o DPkg::Lock::Timeout=300 update
  apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@" >/dev/null
}

install_aws() { # which is in no archive of Ubuntu 24.04
  if ! command -v aws >/dev/null; then snap install aws-cli --classic; fi
}

metadata() { # PATH: what EC2 tells about this instance
  local token url=http://169.254.169.254/latest
  token=$(curl -fsS -m 10 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $url/api/token)
  curl -fsS -m 10 -H "X-aws-ec2-metadata-token: $token" "$url/meta-data/$1"
}

certificates() { # SECRET FOLDER GROUP: what the script `certificates` has packed, for that group
  install -d -m 750 -g "$3" "$2"
  aws secretsmanager get-secret-value --secret-id "$1" --query SecretBinary --output text |
    base64 -d | tar -x --no-same-owner -C "$2" ca.pem cert.pem key.pem
  chgrp "$3" "$2"/{ca,cert,key}.pem
  chmod 640 "$2"/{ca,cert,key}.pem
}

# EFS speaks TLS at NFS's own port.  Amazon's client would do the same, but is not in Ubuntu's
# archive, and building it at the first start takes minutes and a compiler.
tunnel() { # HOST of the file system: what goes to 127.0.0.1:2049 goes there, over TLS
  cat >/etc/dockbox-efs.conf <<END
pid =
debug = warning
[efs]
client = yes
accept = 127.0.0.1:2049
connect = $1:2049
delay = yes
sslVersionMin = TLSv1.2
verifyChain = yes
checkHost = $1
CAfile = /etc/ssl/certs/ca-certificates.crt
END
  cat >/etc/systemd/system/dockbox-efs.service <<END
[Unit]
Description=TLS to the files of dockbox
Wants=network-online.target remote-fs-pre.target
After=network-online.target
Before=remote-fs-pre.target

[Service]
# up when it listens
Type=forking
ExecStart=/usr/bin/stunnel4 /etc/dockbox-efs.conf
Restart=always
RestartSec=1
DynamicUser=true

[Install]
WantedBy=remote-fs.target
END
  systemctl daemon-reload
  systemctl -q enable --now dockbox-efs
}

#!/usr/bin/env bash
# Tries everything from nothing in the Debian release that this machine does not run: set-up by an ordinary user, a
# short demo, the engine's conformance suite, a training that is stopped and resumed, and the system's package of
# oneDNN.
#   scripts/other-debian.sh [release]
# Needs root, because it makes a root file system and works in it. Exit code 77: this machine cannot do it, and the last
# line says why.
set -euo pipefail

repository="$(cd "$(dirname "$0")/.." && pwd)"
cannot() { echo "$1" && exit 77; }
say() { echo "$release: $1 ($SECONDS s)"; }

[ "$(id -u)" -eq 0 ] || cannot "not root"
# Mounts in a namespace of their own are gone with this process, however it ends.
if [ "${ESPALIER_OWN_MOUNTS:-}" != yes ]; then
  unshare --mount true 2>/dev/null || cannot "no permission to mount file systems"
  ESPALIER_OWN_MOUNTS=yes exec unshare --mount --propagation private "$0" "$@"
fi

source /etc/os-release
case "${VERSION_CODENAME:-}" in
  trixie) release="${1:-bookworm}" ;;
  *) release="${1:-trixie}" ;;
esac
if ! command -v debootstrap >/dev/null; then
  command -v apt-get >/dev/null || cannot "no debootstrap, and no apt to install it with"
  { apt-get install -y debootstrap || { apt-get update && apt-get install -y debootstrap; }; } >/dev/null 2>&1 ||
    cannot "debootstrap cannot be installed"
fi

# The mirror of Debian's packages that this machine uses; debootstrap's own choice where it runs no Debian.
mirror() {
  [ "${ID:-}" = debian ] || return 0
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -nE 's/^deb (\[[^]]*\] )?([^ ]+) '"$VERSION_CODENAME"' .*main.*/\2/p'
  cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
    awk -v RS= -v suite="$VERSION_CODENAME" '$0 ~ "Suites:[^\n]* ?" suite "( |\n)" && match($0, /URIs: *[^ \n]+/) {
      uri = substr($0, RSTART, RLENGTH); sub(/URIs: */, "", uri); print uri }'
}

work="$(mktemp -d)"
root="$work/root"
clean_up() {
  umount --lazy "$root/dev" "$root/proc" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

quietly() { "$@" >"$work/output" 2>&1 || { cat "$work/output" && return 1; }; }

from="$(mirror | head -n 1)"
quietly debootstrap --variant=minbase --include=ca-certificates "$release" "$root" ${from:+"$from"}
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
say "the root file system is there"

# How this machine reaches its mirrors and registries: apt's settings, npm's, and certificates.
copy() { if [ -e "$1" ]; then mkdir -p "$(dirname "$2")" && cp -rL "$1" "$2"; fi; }
for file in /etc/apt/apt.conf.d/. /usr/local/share/ca-certificates/. /etc/resolv.conf /etc/hosts; do
  copy "$file" "$root$file"
done
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/throw-away"
in_root() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"; }
quietly in_root update-ca-certificates
quietly in_root apt-get update
quietly in_root apt-get install -y --no-install-recommends nodejs npm git
in_root useradd --create-home tester
for home in /root /home/tester; do copy "${HOME:-/root}/.npmrc" "$root$home/.npmrc"; done
globalconfig="$(npm config get globalconfig 2>/dev/null || true)"
copy "$globalconfig" "$root$(in_root npm config get globalconfig)"
say "Node $(in_root node --version), npm, git"

git clone --quiet "file://$repository" "$root/home/tester/espalier"
in_root chown -R tester: /home/tester
# In the clone, as an ordinary user, or as root; nothing of this machine's environment besides the certificates.
as() {
  local user="$1" home
  home="$(in_root bash -c "echo ~$user")"
  chroot --userspec="$user" "$root" env -i HOME="$home" \
    PATH=/opt/node/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
    CI=true NO_COLOR=1 LC_ALL=C.UTF-8 ${NODE_EXTRA_CA_CERTS:+NODE_EXTRA_CA_CERTS="$NODE_EXTRA_CA_CERTS"} \
    bash -c "cd /home/tester/espalier && $2"
}

# Debian 12 has Node 18. npm has the binaries of Node's own releases.
if ! as tester 'node -e "process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)"'; then
  architecture="$(in_root node -p process.arch)"
  quietly in_root npm install --prefix /opt/node-package --ignore-scripts --no-audit --no-fund \
    "node-linux-$architecture@20"
  ln -s "node-package/node_modules/node-linux-$architecture" "$root/opt/node"
  say "Node $(as tester "node --version"), from npm"
fi

as tester 'npm run --silent demo -- --engine onednn --epochs 1 --limit 3200 --batch 64 --learning-rate 0.1 --seed 1'
say "the demo, in short"

as tester 'node_modules/.bin/vitest run test/engine --reporter=dot'
say "the engine's conformance suite"

as tester 'node scripts/stop-and-resume.mjs'
say "stopped and resumed, every byte as in the run without a break"

as root 'node -e "import(\"./scripts/onednn.mjs\").then(({ requireOneDnn }) => {
  const { usable, summary } = requireOneDnn();
  console.log(summary);
  process.exit(usable && summary.includes(\"/usr/lib/\") ? 0 : 1);
})"'
say "oneDNN from apt, as root"

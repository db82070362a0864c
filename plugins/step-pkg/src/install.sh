set -eu
has() { command -v "$1" > /dev/null 2>&1; }
if has apt-get; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update
    apt-get install --yes --no-install-recommends -- "$@"
    apt-get clean
    rm -rf /var/lib/apt/lists/*
elif has apk; then
    apk add --no-cache -- "$@"
elif has dnf; then
    dnf install --assumeyes -- "$@"
    dnf clean all
elif has yum; then
    yum install --assumeyes -- "$@"
    yum clean all
elif has zypper; then
    zypper --non-interactive install -- "$@"
    zypper clean --all
elif has pacman; then
    pacman -Sy --noconfirm --needed -- "$@"
    pacman -Scc --noconfirm
elif has pkg; then
    export ASSUME_ALWAYS_YES=yes
    pkg install --yes -- "$@"
    pkg clean --all --yes
    rm -rf /var/db/pkg/repos /var/db/pkg/repo-*
else
    echo 'PKG: the image has no package manager that is known: apt-get, apk, dnf, yum, zypper, pacman, pkg' >&2
    exit 1
fi

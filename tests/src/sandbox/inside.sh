# Prepares a sandbox from inside, says so, and waits for the end. Argument: where control groups are mounted.
#
#   outside (another machine)          host (where the daemon runs)
#   192.0.2.2 ------------------------ 192.0.2.1, default route to 192.0.2.2
set -e
mount -t tmpfs tmpfs /run
# The sandbox's own control group becomes the root of the hierarchy.
umount "$1"
mount -t cgroup2 cgroup2 "$1"
ip link set lo up
ip netns add outside
ip link add uplink type veth peer name uplink netns outside
ip address add 192.0.2.1/24 dev uplink
ip link set uplink up
ip -n outside address add 192.0.2.2/24 dev uplink
ip -n outside link set lo up
ip -n outside link set uplink up
ip route add default via 192.0.2.2
echo ready
# Bash, because as the first process it has to wait for children of others.
exec bash -c 'while read -r _; do :; done'

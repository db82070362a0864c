# Prepares a sandbox from inside, says so, and waits for the end. Argument: where control groups are mounted.
#
#   outside (another machine)          host (where the daemon runs)
#   192.0.2.2, 2001:db8::2 ----------- 192.0.2.1, 2001:db8::1, default routes to the outside
set -e
mount -t tmpfs tmpfs /run
# The sandbox's own control group becomes the root of the hierarchy.
umount "$1"
mount -t cgroup2 cgroup2 "$1"
ip link set lo up
ip netns add outside
# Different numbers, because news of an interface whose peer has its own number is up to a second late.
ip link add uplink index 10 type veth peer name uplink index 20 netns outside
ip address add 192.0.2.1/24 dev uplink
# Nobody else is there to have the same addresses; so all that IPv6 needs is there at once.
echo 0 > /proc/sys/net/ipv6/conf/uplink/accept_dad
ip netns exec outside sh -c 'echo 0 > /proc/sys/net/ipv6/conf/uplink/accept_dad'
ip address add 2001:db8::1/64 dev uplink
ip link set uplink up
ip -n outside address add 2001:db8::2/64 dev uplink
ip -n outside address add 192.0.2.2/24 dev uplink
ip -n outside link set lo up
ip -n outside link set uplink up
ip route add default via 192.0.2.2
ip -6 route add default via 2001:db8::2
# An address is tentative until the kernel has seen that its interface is up.
while [ -n "$(ip -6 address show tentative; ip -n outside -6 address show tentative)" ]; do sleep 0.01; done
# Bash, because as the first process it has to wait for children of others; ready when it is what it stays.
exec bash -c 'echo ready; while read -r _; do :; done'

# Keeps a sandbox: runs it until standard input ends, which it does however the owner ends, and then removes what
# outlives namespaces. Arguments: control group, directory, script that prepares the inside.
trap '' HUP INT TERM
group=$1 directory=$2 inside=$3
mkdir "$group" || exit 1
(
    echo 0 > "$group/cgroup.procs" || exit 1
    exec unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc --cgroup \
        sh -c "$inside" inside "${group%/*}"
)
status=$?
# For a moment after its last process a control group is still busy.
for _ in $(seq 50); do
    find "$group" -depth -type d -exec rmdir {} + 2> /dev/null
    [ -d "$group" ] || break
    sleep 0.05
done
rm -rf --one-file-system "$directory"
exit "$status"
